#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/components.h"
#include "kernels/image/sampling.h"

#include <cstdint>

/// A component made smaller by averaging whole samples, for WarpFilter::kAverages.
namespace latentsync::kernels {

/// Blocks of across x down samples, the first of which begins at the component's first sample;
/// the last ones of a row or column have what is left.
struct Blocks {
  int32_t across, down;
};

/// The blocks that leave targets of a map (to a component's samples) at least one and less than two
/// blocks apart; single samples where they lie closer.
Blocks blocks_of(const Affine& to_samples, const Component& component);

/// From a component's samples to its blocks: whole numbers at their centres.
Affine to_blocks(const Affine& to_samples, const Blocks& blocks);

/// component_tile() of the averages of blocks, for linear interpolation at the points of a map that
/// leads to blocks.
OwnedTile average_tile(const Component& component, const Blocks& blocks, const Affine& map,
                       int64_t width, int64_t height, const Border& border);

}  // namespace latentsync::kernels
