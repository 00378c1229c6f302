#include "kernels/image/resample_loops.h"

#include "kernels/image/filter.h"
#include "kernels/image/resample_runs.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

// Points that are worked on together: their weights stay in the first cache level.
constexpr int64_t kBlock = 64;

template <typename Samples, int kSpacing, int kLanes>
void unpack(const RowValues& values, int64_t count, float* __restrict out) {
  using T = typename Samples::T;
  const T* __restrict in = reinterpret_cast<const T*>(values.row) + values.first;
  for (int64_t i = 0; i < count; ++i) {
    out[i * kLanes] = static_cast<float>(in[i * kSpacing] >> Samples::kShift & Samples::kMost);
  }
}

template <int kSpacing>
void unpack_packed(const RowValues& values, int64_t count, float* __restrict out) {
  const auto* __restrict words = reinterpret_cast<const uint32_t*>(values.row);
  for (int64_t i = 0; i < count; ++i) {
    const auto place = packed_place(values.first + i * kSpacing);
    out[i] = static_cast<float>(words[place.word] >> place.shift & 1023);
  }
}

// Where the taps of a block's points begin, and how far behind the tap before each point lies.
struct BlockTaps {
  int64_t offset[kBlock];
  float fraction_x[kBlock];
  float fraction_y[kBlock];
};

// The first tap is floor(x - reach) + 1 and fraction = x - reach - floor(x - reach), in [0, 1).
void place_taps(const Tile& tile, const SampleLine& line, int64_t begin, int64_t count,
                double reach_x, double reach_y, int taps_x, int taps_y, BlockTaps& out) {
  const double most_x = tile.width - taps_x - 1;
  const double most_y = tile.height - taps_y - 1;
  for (int64_t i = 0; i < count; ++i) {
    double x = line.x + static_cast<double>(begin + i) * line.dx - tile.left - reach_x;
    double y = line.y + static_cast<double>(begin + i) * line.dy - tile.top - reach_y;
    x = x > 0 ? (x < most_x ? x : most_x) : 0;
    y = y > 0 ? (y < most_y ? y : most_y) : 0;
    const auto column = static_cast<int32_t>(x);
    const auto row = static_cast<int32_t>(y);
    out.fraction_x[i] = static_cast<float>(x - column);
    out.fraction_y[i] = static_cast<float>(y - row);
    out.offset[i] = (row + 1) * tile.stride + (column + 1) * static_cast<int64_t>(tile.lanes);
  }
}

// Catmull-Rom's four weights of a point `t` behind the second tap, as polynomials.
void four_weights(const float* __restrict t, int64_t count, float (*__restrict weights)[4]) {
  for (int64_t i = 0; i < count; ++i) {
    const float s = t[i];
    weights[i][0] = ((-0.5F * s + 1.0F) * s - 0.5F) * s;
    weights[i][1] = (1.5F * s - 2.5F) * s * s + 1.0F;
    weights[i][2] = ((-1.5F * s + 2.0F) * s + 0.5F) * s;
    weights[i][3] = (0.5F * s - 0.5F) * s * s;
  }
}

template <int kLanes>
void resample_small(const Tile& tile, const SampleLine& line, float* out) {
  using Taps = RunOfFour<kLanes>;
  using Vector = typename Taps::Vector;
  BlockTaps taps;
  float across[kBlock + 1][4];  // widen() may read behind the last one
  float down[kBlock][4];
  for (int64_t begin = 0; begin < line.count; begin += kBlock) {
    const int64_t count = line.count - begin < kBlock ? line.count - begin : kBlock;
    place_taps(tile, line, begin, count, 2, 2, 4, 4, taps);
    four_weights(taps.fraction_x, count, across);
    four_weights(taps.fraction_y, count, down);
    for (int64_t i = 0; i < count; ++i) {
      Vector total{};
      for (int k = 0; k < 4; k += Taps::kTaps) {
        const float* at = tile.data + taps.offset[i] + k * kLanes;
        const auto row = [&](int r) { return load<Vector>(at + r * tile.stride) * down[i][r]; };
        total += ((row(0) + row(1)) + (row(2) + row(3))) * Taps::widen(across[i] + k);
      }
      Taps::finish(total, out + (begin + i) * kLanes);
    }
  }
}

// Eight weights of a point, between the two nearest rows of the table.
Float8 table_weights(const FilterTable& table, float fraction, int first) {
  const float at = fraction * kFilterPhases;
  const auto phase = static_cast<int32_t>(at);
  const float* near = table.weights + static_cast<int64_t>(phase) * table.padded + first;
  const float* far = near + (phase < kFilterPhases ? table.padded : 0);
  const auto weights = load<Float8>(near);
  return weights + (load<Float8>(far) - weights) * (at - static_cast<float>(phase));
}

void all_table_weights(const FilterTable& table, float fraction, float* weights) {
  for (int k = 0; k < table.padded; k += 8) store(table_weights(table, fraction, k), weights + k);
}

// The filter at one point.
template <int kLanes>
void resample_point(const float* at, int64_t stride, const float* columns, int taps_across,
                    const float* rows, int taps_down, float* out) {
  using Taps = RunOfMany<kLanes>;
  using Vector = typename Taps::Vector;
  Vector total{};
  for (int k = 0; k < taps_across; k += Taps::kTaps) {
    const float* row = at + k * kLanes;
    Vector sum = load<Vector>(row) * rows[0];
    for (int r = 1; r < taps_down; ++r) {
      row += stride;
      sum += load<Vector>(row) * rows[r];
    }
    total += sum * Taps::widen(columns + k);
  }
  Taps::finish(total, out);
}

// At most eight taps each way: all weights of a block are there before the first is used.
template <int kLanes>
void resample_medium(const Tile& tile, const SampleLine& line, const FilterTable& across,
                     const FilterTable& down, float* out) {
  BlockTaps taps;
  float columns[kBlock][16] = {};  // zeros behind the eighth: widen() may read them
  float rows[kBlock][8];
  for (int64_t begin = 0; begin < line.count; begin += kBlock) {
    const int64_t count = line.count - begin < kBlock ? line.count - begin : kBlock;
    place_taps(tile, line, begin, count, across.reach, down.reach, across.taps, down.taps, taps);
    for (int64_t i = 0; i < count; ++i) {
      store(table_weights(across, taps.fraction_x[i], 0), columns[i]);
      store(table_weights(down, taps.fraction_y[i], 0), rows[i]);
    }
    for (int64_t i = 0; i < count; ++i) {
      resample_point<kLanes>(tile.data + taps.offset[i], tile.stride, columns[i], across.taps,
                             rows[i], down.taps, out + (begin + i) * kLanes);
    }
  }
}

template <int kLanes>
void resample_large(const Tile& tile, const SampleLine& line, const FilterTable& across,
                    const FilterTable& down, float* out) {
  BlockTaps taps;
  float columns[kMostTaps + 8] = {};  // zeros behind the last weight
  float rows[kMostTaps];
  for (int64_t begin = 0; begin < line.count; begin += kBlock) {
    const int64_t count = line.count - begin < kBlock ? line.count - begin : kBlock;
    place_taps(tile, line, begin, count, across.reach, down.reach, across.taps, down.taps, taps);
    for (int64_t i = 0; i < count; ++i) {
      all_table_weights(across, taps.fraction_x[i], columns);
      all_table_weights(down, taps.fraction_y[i], rows);
      resample_point<kLanes>(tile.data + taps.offset[i], tile.stride, columns, across.taps, rows,
                             down.taps, out + (begin + i) * kLanes);
    }
  }
}

template <int kLanes>
void resample(const Tile& tile, const SampleLine& line, const FilterTable& across,
              const FilterTable& down, float* out) {
  if (across.padded == 0) {
    resample_small<kLanes>(tile, line, out);
  } else if (across.padded == 8 && down.padded == 8) {
    resample_medium<kLanes>(tile, line, across, down, out);
  } else {
    resample_large<kLanes>(tile, line, across, down, out);
  }
}

template <int kFirst, int kOthers>
void to_rgb(const float (&matrix)[3][4], const SteppedValues (&values)[3], float scale,
            float offset, int64_t count, float* const (&rgb)[3]) {
  const float* __restrict a = values[0].data;
  const float* __restrict b = values[1].data;
  const float* __restrict c = values[2].data;
  for (int k = 0; k < 3; ++k) {
    const float m0 = matrix[k][0], m1 = matrix[k][1], m2 = matrix[k][2], m3 = matrix[k][3];
    float* __restrict out = rgb[k];
    for (int64_t i = 0; i < count; ++i) {
      const float v = m0 * a[i * kFirst] + m1 * b[i * kOthers] + m2 * c[i * kOthers] + m3;
      out[i] = (v > 0 ? (v < 1 ? v : 1.0F) : 0.0F) * scale + offset;
    }
  }
}

template <int kLanes>
void to_codes(const float (&matrix)[3][4], const float* const (&rgb)[3], float scale, float offset,
              int64_t count, const int32_t (&rows)[kLanes], float* __restrict codes) {
  const float* __restrict r = rgb[0];
  const float* __restrict g = rgb[1];
  const float* __restrict b = rgb[2];
  const auto unit = [scale, offset](float x) {
    x = x * scale + offset;
    return x > 0 ? (x < 1 ? x : 1.0F) : 0.0F;
  };
  float m[kLanes][4];
  for (int l = 0; l < kLanes; ++l) {
    for (int k = 0; k < 4; ++k) m[l][k] = matrix[rows[l]][k];
  }
  for (int64_t i = 0; i < count; ++i) {
    const float red = unit(r[i]), green = unit(g[i]), blue = unit(b[i]);
    for (int l = 0; l < kLanes; ++l) {
      codes[i * kLanes + l] = m[l][0] * red + m[l][1] * green + m[l][2] * blue + m[l][3];
    }
  }
}

// The values of a row from one on, to be read and written one at a time.
template <typename Samples>
struct PlainValues {
  using T = typename Samples::T;
  PlainValues(uint8_t* row, int64_t first) : values(reinterpret_cast<T*>(row) + first) {}
  int get(int64_t i) const { return values[i] >> Samples::kShift & Samples::kMost; }
  void set(int64_t i, int code) { values[i] = static_cast<T>(code << Samples::kShift); }
  T* values;
};

struct PackedValues {
  PackedValues(uint8_t* row, int64_t first)
      : words(reinterpret_cast<uint32_t*>(row)), first(first) {}
  int get(int64_t i) const {
    const auto place = packed_place(first + i);
    return static_cast<int>(words[place.word] >> place.shift & 1023);
  }
  void set(int64_t i, int code) {
    const auto place = packed_place(first + i);
    words[place.word] = (words[place.word] & ~(1023U << place.shift)) | static_cast<uint32_t>(code)
                                                                            << place.shift;
  }
  uint32_t* words;
  int64_t first;
};

template <typename Values, int kLanes>
void blend(const BlendTarget& target, int64_t count, const float* __restrict value,
           const float* __restrict weight) {
  const float most = target.most;
  const auto lane = [&](int l) { return Values(target.rows[l], target.first[l]); };
  Values lanes[3] = {lane(0), lane(kLanes > 1 ? 1 : 0), lane(kLanes > 2 ? 2 : 0)};
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i, at += target.step, value += kLanes) {
    if (!(weight[i] > 0)) continue;
    for (int l = 0; l < kLanes; ++l) {
      const auto old = static_cast<float>(lanes[l].get(at));
      const float blended = old + weight[i] * (value[l] - old) + 0.5F;
      const float limited = blended > 0 ? (blended < most ? blended : most) : 0;
      lanes[l].set(at, static_cast<int32_t>(limited));
    }
  }
}

template <int kLanes>
void blend_lanes(const BlendTarget& target, int64_t count, const float* values,
                 const float* weights) {
  switch (target.type) {
    case SampleType::kByte:
      return blend<PlainValues<ByteSamples>, kLanes>(target, count, values, weights);
    case SampleType::kHigh10:
      return blend<PlainValues<High10Samples>, kLanes>(target, count, values, weights);
    case SampleType::kLow10:
      return blend<PlainValues<Low10Samples>, kLanes>(target, count, values, weights);
    case SampleType::kPacked10:
      return blend<PackedValues, kLanes>(target, count, values, weights);
  }
}

template <typename Samples>
void unpack_lanes(const RowValues& values, int64_t count, int lanes, float* out) {
  if (values.spacing == 2) return unpack<Samples, 2, 1>(values, count, out);
  switch (lanes) {
    case 1:
      return unpack<Samples, 1, 1>(values, count, out);
    case 2:
      return unpack<Samples, 1, 2>(values, count, out);
    default:
      return unpack<Samples, 1, 3>(values, count, out);
  }
}

}  // namespace

void unpack_run(const RowValues& values, int64_t count, int lanes, float* out) {
  switch (values.type) {
    case SampleType::kByte:
      return unpack_lanes<ByteSamples>(values, count, lanes, out);
    case SampleType::kHigh10:
      return unpack_lanes<High10Samples>(values, count, lanes, out);
    case SampleType::kLow10:
      return unpack_lanes<Low10Samples>(values, count, lanes, out);
    case SampleType::kPacked10:
      return values.spacing == 2 ? unpack_packed<2>(values, count, out)
                                 : unpack_packed<1>(values, count, out);
  }
}

void resample_line(const Tile& tile, const SampleLine& line, const FilterTable& across,
                   const FilterTable& down, float* out) {
  switch (tile.lanes) {
    case 1:
      return resample<1>(tile, line, across, down, out);
    case 2:
      return resample<2>(tile, line, across, down, out);
    case 3:
      return resample<3>(tile, line, across, down, out);
    default:
      return resample<4>(tile, line, across, down, out);
  }
}

void interpolate_line(const Tile& tile, const SampleLine& line, float* out) {
  BlockTaps taps;
  for (int64_t begin = 0; begin < line.count; begin += kBlock) {
    const int64_t count = line.count - begin < kBlock ? line.count - begin : kBlock;
    place_taps(tile, line, begin, count, 1, 1, 2, 2, taps);
    for (int64_t i = 0; i < count; ++i) {
      const float* at = tile.data + taps.offset[i];
      const float* below = at + tile.stride;
      const float s = taps.fraction_x[i];
      const float upper = at[0] + s * (at[1] - at[0]);
      const float lower = below[0] + s * (below[1] - below[0]);
      out[begin + i] = upper + taps.fraction_y[i] * (lower - upper);
    }
  }
}

void rgb_row(const float (&matrix)[3][4], const SteppedValues (&values)[3], float scale,
             float offset, int64_t count, float* const (&rgb)[3]) {
  const auto run = [&](auto convert) { convert(matrix, values, scale, offset, count, rgb); };
  switch (values[0].step * 8 + values[1].step) {
    case 8 + 1:
      return run(to_rgb<1, 1>);
    case 8 + 2:
      return run(to_rgb<1, 2>);
    case 3 * 8 + 3:
      return run(to_rgb<3, 3>);
    default:
      return run(to_rgb<4, 4>);
  }
}

void code_row(const float (&matrix)[3][4], const float* const (&rgb)[3], float scale, float offset,
              int64_t count, const int32_t (&rows)[3], int lanes, float* codes) {
  switch (lanes) {
    case 1:
      return to_codes<1>(matrix, rgb, scale, offset, count, {rows[0]}, codes);
    case 2:
      return to_codes<2>(matrix, rgb, scale, offset, count, {rows[0], rows[1]}, codes);
    default:
      return to_codes<3>(matrix, rgb, scale, offset, count, rows, codes);
  }
}

void blend_row(const BlendTarget& target, int64_t count, const float* values,
               const float* weights) {
  switch (target.lanes) {
    case 1:
      return blend_lanes<1>(target, count, values, weights);
    case 2:
      return blend_lanes<2>(target, count, values, weights);
    default:
      return blend_lanes<3>(target, count, values, weights);
  }
}

}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
