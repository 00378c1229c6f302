#pragma once

#include "kernels/cpu/levels.h"
#include "kernels/image/components.h"

#include <cstdint>

/// The CPU loops of warp_crop and paste_back, over runs of samples in a row. Plain pointers.
namespace latentsync::kernels {

/// A part of a grid of samples as floats, each of `lanes` (1 to 4) values side by side. Sample
/// (i, j) begins at data[(j - top) * stride + (i - left) * lanes]. Whatever is read outside the
/// grid must be in the tile too, as a margin; kTileSlack further floats follow the last row, and
/// all of them are finite.
struct Tile {
  const float* data;
  int64_t stride;  ///< floats
  int32_t lanes;
  int32_t left, top;
  int32_t width, height;
};
constexpr int kTileSlack = 32;
constexpr int kMostLanes = 4;
constexpr int kLineSlack = 4;  ///< floats behind a line of values that may be overwritten

/// The filter's weights of one direction, for points between samples: kFilterPhases + 1 rows of
/// `padded` weights, the first `taps` of which count and add up to one. Row r is for a point that
/// at x with x - reach = floor(x - reach) + r / kFilterPhases; its first tap is the sample
/// floor(x - reach) + 1.
constexpr int kFilterPhases = 256;
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

/// Values first, first + spacing, ... of a row.
struct RowValues {
  const uint8_t* row;
  SampleType type;
  int64_t first;
  int spacing;  ///< 1 or 2
};

/// out[i * lanes] = the i-th of `count` values; lanes from 1 to 3, more than 1 with a spacing of 1
/// alone.
LATENTSYNC_CPU_DECLARE(void unpack_run(const RowValues& values, int64_t count, int lanes,
                                       float* out))

/// out[i * lanes ...] = the filter (kernels/image/filter.h) at the line's points, for all of the
/// tile's lanes; either both tables are for a footprint of one sample or none is. A footprint that
/// would leave the tile is moved inside. Up to kLineSlack floats behind the line are overwritten.
LATENTSYNC_CPU_DECLARE(void resample_line(const Tile& tile, const SampleLine& line,
                                          const FilterTable& across, const FilterTable& down,
                                          float* out))

/// The same with linear interpolation; tiles of one lane.
LATENTSYNC_CPU_DECLARE(void interpolate_line(const Tile& tile, const SampleLine& line, float* out))

/// Values of one component, `step` (1 to 4) floats apart.
struct SteppedValues {
  const float* data;
  int32_t step;
};

/// rgb[c] = clamp(matrix * values + added, 0, 1) * scale + offset, for rows of `count` values; the
/// second and the third component have the same step.
LATENTSYNC_CPU_DECLARE(void rgb_row(const float (&matrix)[3][4], const SteppedValues (&values)[3],
                                    float scale, float offset, int64_t count,
                                    float* const (&rgb)[3]))

/// codes[i * lanes + l] = matrix[rows[l]] * clamp(rgb[i] * scale + offset, 0, 1) + added, for 1 to
/// 3 lanes; not a number counts as zero.
LATENTSYNC_CPU_DECLARE(void code_row(const float (&matrix)[3][4], const float* const (&rgb)[3],
                                     float scale, float offset, int64_t count,
                                     const int32_t (&rows)[3], int lanes, float* codes))

/// Samples of 1 to 3 components in a row.
struct BlendTarget {
  uint8_t* rows[3];
  int64_t first[3];  ///< each one's first sample, as a value of its row
  int32_t step;      ///< values from a sample to the next one
  SampleType type;
  int32_t lanes;
  float most;  ///< the largest code value
};

/// Sample i's lane l becomes old + weights[i] * (values[i * lanes + l] - old), rounded and clamped
/// to 0 ... most; where weights[i] is not above zero nothing is written.
LATENTSYNC_CPU_DECLARE(void blend_row(const BlendTarget& target, int64_t count, const float* values,
                                      const float* weights))

}  // namespace latentsync::kernels
