#include "core/nn/tiles.h"

#include "core/nn/group_moments.h"
#include "core/nn/resnet_block.h"

#include <algorithm>
#include <utility>

#include <ATen/ops/empty.h>

namespace latentsync::nn {
namespace {

// Cells along one side: those that are wanted, and those that are needed for them.
struct Run {
  int64_t begin, count, outer_begin, outer_count;
};

struct Tile {
  Run rows, columns;
};

std::vector<Run> runs_of(int64_t cells, int64_t edge, int64_t reach) {
  std::vector<Run> runs;
  for (int64_t begin = 0; begin < cells; begin += edge) {
    const int64_t end = std::min(begin + edge, cells);
    const int64_t outer_begin = std::max<int64_t>(begin - reach, 0);
    const int64_t outer_end = std::min(end + reach, cells);
    runs.push_back({begin, end - begin, outer_begin, outer_end - outer_begin});
  }
  return runs;
}

std::vector<Tile> tiles_of(int64_t rows, int64_t columns, int64_t edge, int64_t reach) {
  std::vector<Tile> tiles;
  for (const auto& row : runs_of(rows, edge, reach)) {
    for (const auto& column : runs_of(columns, edge, reach)) tiles.push_back({row, column});
  }
  return tiles;
}

at::Tensor cut(const at::Tensor& x, const Tile& tile, int64_t scale) {
  return x.narrow(2, tile.rows.outer_begin * scale, tile.rows.outer_count * scale)
      .narrow(3, tile.columns.outer_begin * scale, tile.columns.outer_count * scale);
}

// What is wanted of what was computed for the cut.
at::Tensor wanted(const at::Tensor& computed, const Tile& tile, int64_t scale) {
  const auto& [rows, columns] = tile;
  return computed.narrow(2, (rows.begin - rows.outer_begin) * scale, rows.count * scale)
      .narrow(3, (columns.begin - columns.outer_begin) * scale, columns.count * scale);
}

at::Tensor place(const at::Tensor& result, const Tile& tile, int64_t scale) {
  return result.narrow(2, tile.rows.begin * scale, tile.rows.count * scale)
      .narrow(3, tile.columns.begin * scale, tile.columns.count * scale);
}

// The input of the first norm whose moments are not known yet; the result where all are.
at::Tensor advance(at::Tensor x, const TiledPart& part, std::span<const GroupMoments> known) {
  if (part.before) x = part.before(std::move(x));
  for (auto* const resnet : part.resnets) {
    if (known.empty()) return x;
    auto h = resnet->first_half(x, known[0]);
    if (known.size() == 1) return h;
    x = resnet->second_half(std::move(h), x, known[1]);
    known = known.subspan(2);
  }
  return part.after ? part.after(std::move(x)) : x;
}

}  // namespace

at::Tensor run_in_tiles(const at::Tensor& x, const TiledPart& part, int64_t edge) {
  const auto tiles =
      tiles_of(x.size(2) / part.input_scale, x.size(3) / part.input_scale, edge, part.reach);
  std::vector<GroupMoments> known;
  while (known.size() < 2 * part.resnets.size()) {
    const int64_t groups = part.resnets[known.size() / 2]->groups();
    GroupMoments moments;
    for (const auto& tile : tiles) {
      const auto input = advance(cut(x, tile, part.input_scale), part, known);
      moments.add(GroupMoments::of(wanted(input, tile, part.inner_scale), groups));
    }
    known.push_back(std::move(moments));
  }
  at::Tensor result;
  for (const auto& tile : tiles) {
    const auto output =
        wanted(advance(cut(x, tile, part.input_scale), part, known), tile, part.output_scale);
    if (!result.defined()) {
      result =
          at::empty({x.size(0), output.size(1), x.size(2) / part.input_scale * part.output_scale,
                     x.size(3) / part.input_scale * part.output_scale},
                    output.options(), at::MemoryFormat::ChannelsLast);
    }
    place(result, tile, part.output_scale).copy_(output);
  }
  return result;
}

}  // namespace latentsync::nn
