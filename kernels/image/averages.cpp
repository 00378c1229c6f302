#include "kernels/image/averages.h"

#include "kernels/image/average_loops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace latentsync::kernels {
namespace {

int32_t block_edge(double spacing, int32_t size) {
  // What rounding takes from a whole number is no smaller block.
  constexpr double kRounding = 1e-6;
  return static_cast<int32_t>(
      std::clamp(std::floor(spacing + kRounding), 1.0, static_cast<double>(size)));
}

int32_t block_count(int32_t size, int32_t block) { return (size + block - 1) / block; }

}  // namespace

Blocks blocks_of(const Affine& to_samples, const Component& component) {
  return {block_edge(std::hypot(to_samples.xx, to_samples.xy), component.width),
          block_edge(std::hypot(to_samples.yx, to_samples.yy), component.height)};
}

Affine to_blocks(const Affine& to_samples, const Blocks& blocks) {
  const auto centre = [](int32_t block) { return 0.5 / block - 0.5; };
  return compose(to_samples, {.xx = 1.0 / blocks.across,
                              .x0 = centre(blocks.across),
                              .yy = 1.0 / blocks.down,
                              .y0 = centre(blocks.down)});
}

OwnedTile average_tile(const Component& component, const Blocks& blocks, const Affine& map,
                       int64_t width, int64_t height, const Border& border) {
  const TileGrid grid{.width = block_count(component.width, blocks.across),
                      .height = block_count(component.height, blocks.down),
                      .lanes = 1};
  return make_tile(
      grid, map, width, height, {1, 1}, border,
      [&](int64_t row, int64_t first, int64_t count, float* out) {
        const int64_t top = row * blocks.down;
        const int64_t left = first * blocks.across;
        const int64_t rows = std::min<int64_t>(blocks.down, component.height - top);
        const int64_t columns = std::min<int64_t>(count * blocks.across, component.width - left);
        std::vector<uint32_t> sums(columns * component.step);
        LATENTSYNC_CPU_DISPATCH(sum_rows, component, top, rows, left, columns, sums.data());
        LATENTSYNC_CPU_DISPATCH(average_blocks, sums.data(), component.step, columns, blocks.across,
                                rows, out);
      });
}

}  // namespace latentsync::kernels
