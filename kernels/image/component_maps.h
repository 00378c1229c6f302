#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/components.h"
#include "kernels/image/sample_type.h"

#include <cmath>
#include <cstdint>

/// From a map's targets to a component's samples, and to averages of them; for the CPU and the CUDA
/// kernels.
namespace latentsync::kernels {

/// Blocks of across x down samples, the first of which begins at the component's first sample;
/// the last ones of a row or column have what is left.
struct Blocks {
  int32_t across, down;
};

namespace {  // each CPU level keeps its own copy: kernels/cpu/levels.h

/// From the target's points (luma samples, crop pixels) to the numbers of a component's samples.
LATENTSYNC_INLINE Affine to_samples(const Affine& map, const Component& component) {
  return compose(map, {.xx = 1 / component.spacing_x,
                       .x0 = -component.offset_x / component.spacing_x,
                       .yy = 1 / component.spacing_y,
                       .y0 = -component.offset_y / component.spacing_y});
}

LATENTSYNC_INLINE int32_t block_edge(double spacing, int32_t size) {
  // What rounding takes from a whole number is no smaller block.
  constexpr double kRounding = 1e-6;
  const double edge = std::floor(spacing + kRounding);
  return static_cast<int32_t>(edge < 1 ? 1 : (edge < size ? edge : size));
}

/// The blocks that leave targets of a map (to a component's samples) at least one and less than two
/// blocks apart; single samples where they lie closer.
LATENTSYNC_INLINE Blocks blocks_of(const Affine& to_samples, const Component& component) {
  return {block_edge(std::hypot(to_samples.xx, to_samples.xy), component.width),
          block_edge(std::hypot(to_samples.yx, to_samples.yy), component.height)};
}

/// From a component's samples to its blocks: whole numbers at their centres.
LATENTSYNC_INLINE Affine to_blocks(const Affine& to_samples, const Blocks& blocks) {
  return compose(to_samples, {.xx = 1.0 / blocks.across,
                              .x0 = 0.5 / blocks.across - 0.5,
                              .yy = 1.0 / blocks.down,
                              .y0 = 0.5 / blocks.down - 0.5});
}

}  // namespace
}  // namespace latentsync::kernels
