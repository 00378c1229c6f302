#pragma once

#include "kernels/cpu/levels.h"
#include "kernels/image/components.h"

#include <cstdint>

/// The CPU loops of warp_crop and paste_back, over runs of samples in a row. Plain pointers.
namespace latentsync::kernels {

/// A part of a grid of samples as floats. Sample (i, j) is data[(j - top) * stride + i - left].
/// Whatever is read outside the grid must be in the tile too, as a margin; kTileSlack further
/// floats follow the last row, and all of them are finite.
struct Tile {
  const float* data;
  int64_t stride;
  int32_t left, top;
  int32_t width, height;
};
constexpr int kTileSlack = 16;

/// Points x + i dx, y + i dy of a tile's grid.
struct SampleLine {
  double x, y;
  double dx, dy;
  int64_t count;
};

/// Samples first ... first + count - 1 of a component's row as floats.
LATENTSYNC_CPU_DECLARE(void unpack_row(const Component& component, int64_t row, int64_t first,
                                       int64_t count, float* out))

/// out[i] = the filter (kernels/image/filter.h) at the line's points; a footprint of at least one
/// sample in x and y. A footprint that would leave the tile is moved inside.
LATENTSYNC_CPU_DECLARE(void resample_line(const Tile& tile, const SampleLine& line,
                                          double footprint_x, double footprint_y, float* out))

/// The same with linear interpolation.
LATENTSYNC_CPU_DECLARE(void interpolate_line(const Tile& tile, const SampleLine& line, float* out))

/// rgb[c] = clamp(matrix * values + added, 0, 1) * scale + offset, for rows of `count` values.
LATENTSYNC_CPU_DECLARE(void rgb_row(const float (&matrix)[3][4], const float* const (&values)[3],
                                    float scale, float offset, int64_t count,
                                    float* const (&rgb)[3]))

/// code = matrix * clamp(value * scale + offset, 0, 1) + added, one component of the code; not a
/// number counts as zero.
LATENTSYNC_CPU_DECLARE(void code_row(const float (&matrix)[4], const float* const (&rgb)[3],
                                     float scale, float offset, int64_t count, float* code))

/// Samples first + i of a component's row become old + weight[i] * (value[i] - old), rounded and
/// clamped to 0 ... most; where weight[i] is not above zero nothing is written.
LATENTSYNC_CPU_DECLARE(void blend_row(const Component& component, int64_t row, int64_t first,
                                      int64_t count, const float* value, const float* weight,
                                      float most))

}  // namespace latentsync::kernels
