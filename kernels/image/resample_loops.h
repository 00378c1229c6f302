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

/// The filter's weights of one direction, for points between samples: kFilterPhases + 1 rows of
/// `padded` weights, the first `taps` of which count and add up to one. Row r is for a point that
/// at x with x - reach = floor(x - reach) + r / kFilterPhases; its first tap is the sample
/// floor(x - reach) + 1.
constexpr int kFilterPhases = 512;
struct FilterTable {
  const float* weights;
  double reach;  ///< 2 footprints
  int32_t taps;
  int32_t padded;  ///< a multiple of eight; 0 for a footprint of one sample
};

/// Points x + i dx, y + i dy of a tile's grid.
struct SampleLine {
  double x, y;
  double dx, dy;
  int64_t count;
};

/// Samples first ... first + count - 1 of a component's row as floats.
LATENTSYNC_CPU_DECLARE(void unpack_row(const Component& component, int64_t row, int64_t first,
                                       int64_t count, float* out))

/// out[i] = the filter (kernels/image/filter.h) at the line's points; either both tables are for a
/// footprint of one sample or none is. A footprint that would leave the tile is moved inside.
LATENTSYNC_CPU_DECLARE(void resample_line(const Tile& tile, const SampleLine& line,
                                          const FilterTable& across, const FilterTable& down,
                                          float* out))

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
