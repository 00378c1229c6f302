#include "kernels/image/averages.h"

#include "kernels/image/average_loops.h"

#include <algorithm>
#include <vector>

namespace latentsync::kernels {
namespace {

int32_t block_count(int32_t size, int32_t block) { return (size + block - 1) / block; }

}  // namespace

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
