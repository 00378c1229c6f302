#include "kernels/image/sampling.h"

#include "kernels/image/filter.h"

#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

struct Span {
  int32_t begin, end;
};

// The samples that footprints around [least, most] read, cut to what a footprint that touches the
// `size` samples can reach, and never narrower than one footprint needs.
Span tile_span(double least, double most, double footprint, int32_t size) {
  const int32_t taps = taps_of(footprint);
  const double margin = taps + 2;
  const double begin =
      std::clamp(std::floor(least - 2 * footprint) - 1, -margin, static_cast<double>(size));
  const double end =
      std::clamp(std::ceil(most + 2 * footprint) + 2, begin + margin, size + 2 * margin);
  return {static_cast<int32_t>(begin), static_cast<int32_t>(end)};
}

// A tile's row over `columns`, of which `inside` is read; or the nearest sample alone, where none
// is inside.
void read_row(const ReadRow& read, int64_t row, Span columns, Span inside, int32_t lanes,
              const Border& border, float* out) {
  const int32_t before = std::clamp(inside.begin, columns.begin, columns.end) - columns.begin;
  const int32_t behind = std::clamp(inside.end, columns.begin, columns.end) - columns.begin;
  const int32_t all = columns.end - columns.begin;
  float* const first = out + static_cast<int64_t>(before) * lanes;
  float* const last = out + static_cast<int64_t>(behind) * lanes;
  float nearest[kMostLanes];
  const float* left = border.fill;
  const float* right = border.fill;
  if (before < behind) {
    read(row, inside.begin, inside.end - inside.begin, first);
    if (border.repeat) left = first, right = last - lanes;
  } else {
    read(row, inside.begin, 1, nearest);
    left = right = nearest;
  }
  fill_samples(out, before, lanes, left);
  fill_samples(last, all - behind, lanes, right);
}

// All lanes of samples of a group's row.
void unpack_group(const Components& all, const ComponentGroup& group, int64_t row, int64_t first,
                  int64_t count, float* out) {
  const auto values = [&](const Component& component, int begin, int spacing) {
    return RowValues{.row = component.data + row * component.stride,
                     .type = component.type,
                     .first = begin + first * component.step,
                     .spacing = spacing};
  };
  const auto& component = all.of[group.first];
  if (group.packed) {
    const auto run = values(component, group.begin, group.spacing);
    LATENTSYNC_CPU_DISPATCH(unpack_run, run, count * group.lanes, 1, out);
    return;
  }
  for (int k = 0; k < group.count; ++k) {
    const auto& plane = all.of[group.first + k];
    const auto run = values(plane, plane.first, 1);
    LATENTSYNC_CPU_DISPATCH(unpack_run, run, count, group.lanes, out + group.lane[k]);
  }
}

std::vector<float> filter_weights(double footprint, int32_t padded) {
  const int taps = taps_of(footprint);
  std::vector<float> weights(static_cast<size_t>(kFilterPhases + 1) * padded, 0.0F);
  for (int phase = 0; phase <= kFilterPhases; ++phase) {
    float* row = &weights[static_cast<size_t>(phase) * padded];
    const double first = 1 - static_cast<double>(phase) / kFilterPhases - 2 * footprint;
    double sum = 0;
    for (int k = 0; k < taps; ++k) {
      row[k] = catmull_rom(static_cast<float>((first + k) / footprint));
      sum += row[k];
    }
    for (int k = 0; k < taps; ++k) row[k] = static_cast<float>(row[k] / sum);
  }
  return weights;
}

}  // namespace

void fill_samples(float* out, int64_t count, int32_t lanes, const float* sample) {
  if (lanes == 1) {
    std::fill_n(out, count, *sample);
    return;
  }
  for (int64_t i = 0; i < count; ++i) std::copy_n(sample, lanes, out + i * lanes);
}

Filter::Filter(const Footprint& footprint)
    : across_{.reach = 2 * footprint.x, .taps = taps_of(footprint.x)},
      down_{.reach = 2 * footprint.y, .taps = taps_of(footprint.y)} {
  if (footprint.x == 1 && footprint.y == 1) return;
  const auto up_to_eights = [](int32_t taps) { return (taps + 7) / 8 * 8; };
  across_.padded = up_to_eights(across_.taps);
  down_.padded = up_to_eights(down_.taps);
  weights_across_ = filter_weights(footprint.x, across_.padded);
  weights_down_ = filter_weights(footprint.y, down_.padded);
  across_.weights = weights_across_.data();
  down_.weights = weights_down_.data();
}

Affine from_samples(const Component& component, const Affine& map) {
  return compose({.xx = component.spacing_x,
                  .x0 = component.offset_x,
                  .yy = component.spacing_y,
                  .y0 = component.offset_y},
                 map);
}

Footprint footprint_of(const Affine& map) {
  // What rounding leaves above one is no shrinking.
  constexpr double kNearOne = 1 + 1e-6;
  const auto at_least_one = [](double x) { return x < kNearOne ? 1.0 : x; };
  const Footprint footprint{at_least_one(std::hypot(map.xx, map.xy)),
                            at_least_one(std::hypot(map.yx, map.yy))};
  TORCH_CHECK(footprint.x <= kMostFootprint && footprint.y <= kMostFootprint,
              "warp: the picture would shrink by more than ", kMostFootprint,
              " times; the matrix is no face's");
  return footprint;
}

OwnedTile::OwnedTile(int32_t left, int32_t top, int32_t width, int32_t height, int32_t lanes)
    : data_(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(width) * height * lanes +
                                                    kTileSlack)),
      tile_{.data = data_.get(),
            .stride = static_cast<int64_t>(width) * lanes,
            .lanes = lanes,
            .left = left,
            .top = top,
            .width = width,
            .height = height} {}

void OwnedTile::finish() { std::fill_n(row(tile_.height), kTileSlack, 0.0F); }

OwnedTile make_tile(const TileGrid& grid, const Affine& map, int64_t width, int64_t height,
                    const Footprint& footprint, const Border& border, const ReadRow& read) {
  const double right = static_cast<double>(width - 1);
  const double bottom = static_cast<double>(height - 1);
  const auto span_of = [&](double xx, double xy, double x0, double reach, int32_t size) {
    return tile_span(x0 + std::min(xx * right, 0.0) + std::min(xy * bottom, 0.0),
                     x0 + std::max(xx * right, 0.0) + std::max(xy * bottom, 0.0), reach, size);
  };
  const Span columns = span_of(map.xx, map.xy, map.x0, footprint.x, grid.width);
  const Span rows = span_of(map.yx, map.yy, map.y0, footprint.y, grid.height);

  OwnedTile tile(columns.begin, rows.begin, columns.end - columns.begin, rows.end - rows.begin,
                 grid.lanes);
  // Where the border repeats, at least one sample of each row is read: the nearest.
  const int32_t begin = std::clamp(columns.begin, 0, grid.width - 1);
  const int32_t end = std::clamp(columns.end, begin + 1, grid.width);
  const bool beside = columns.begin >= grid.width || columns.end <= 0;
  at::parallel_for(rows.begin, rows.end, 16, [&](int64_t first, int64_t last) {
    for (int64_t y = first; y < last; ++y) {
      float* out = tile.row(static_cast<int32_t>(y - rows.begin));
      if (!border.repeat && (beside || y < 0 || y >= grid.height)) {
        fill_samples(out, tile.view().width, grid.lanes, border.fill);
        continue;
      }
      read_row(read, std::clamp<int64_t>(y, 0, grid.height - 1), columns, {begin, end}, grid.lanes,
               border, out);
    }
  });
  tile.finish();
  return tile;
}

OwnedTile component_tile(const Components& all, const ComponentGroup& group, const Affine& map,
                         int64_t width, int64_t height, const Footprint& footprint,
                         const Border& border) {
  const auto& component = all.of[group.first];
  return make_tile({component.width, component.height, group.lanes}, map, width, height, footprint,
                   border, [&](int64_t row, int64_t first, int64_t count, float* out) {
                     unpack_group(all, group, row, first, count, out);
                   });
}

}  // namespace latentsync::kernels
