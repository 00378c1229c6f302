#include "kernels/image/resample_loops.h"

#include "kernels/image/filter.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

// Points that are worked on together: their weights stay in the first cache level.
constexpr int64_t kBlock = 64;

using Float4 __attribute__((vector_size(16), aligned(4), may_alias)) = float;
using Float8 __attribute__((vector_size(32), aligned(4), may_alias)) = float;

template <typename T, int kStep, int kShift>
void unpack(const uint8_t* data, int64_t count, float* __restrict out) {
  const T* __restrict in = reinterpret_cast<const T*>(data);
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i * kStep] >> kShift);
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
    out.offset[i] = (row + 1) * tile.stride + column + 1;
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

void resample_small(const Tile& tile, const SampleLine& line, float* out) {
  BlockTaps taps;
  float across[kBlock][4];
  float down[kBlock][4];
  for (int64_t begin = 0; begin < line.count; begin += kBlock) {
    const int64_t count = line.count - begin < kBlock ? line.count - begin : kBlock;
    place_taps(tile, line, begin, count, 2, 2, 4, 4, taps);
    four_weights(taps.fraction_x, count, across);
    four_weights(taps.fraction_y, count, down);
    for (int64_t i = 0; i < count; ++i) {
      const float* at = tile.data + taps.offset[i];
      const auto row = [&](int r) {
        return *reinterpret_cast<const Float4*>(at + r * tile.stride);
      };
      const Float4 sum =
          row(0) * down[i][0] + row(1) * down[i][1] + row(2) * down[i][2] + row(3) * down[i][3];
      const Float4 weighted = sum * *reinterpret_cast<const Float4*>(across[i]);
      out[begin + i] = (weighted[0] + weighted[1]) + (weighted[2] + weighted[3]);
    }
  }
}

// A point's weights, between the two nearest rows of the table.
void table_weights(const FilterTable& table, float fraction, float* __restrict weights) {
  const float at = fraction * kFilterPhases;
  const auto phase = static_cast<int32_t>(at);
  const float rest = at - static_cast<float>(phase);
  const float* __restrict near = table.weights + static_cast<int64_t>(phase) * table.padded;
  const float* __restrict far = near + (phase < kFilterPhases ? table.padded : 0);
  for (int k = 0; k < table.padded; k += 8) {
#pragma omp simd
    for (int j = k; j < k + 8; ++j) weights[j] = near[j] + rest * (far[j] - near[j]);
  }
}

void resample_large(const Tile& tile, const SampleLine& line, const FilterTable& across,
                    const FilterTable& down, float* out) {
  BlockTaps taps;
  float columns[kMostTaps];
  float rows[kMostTaps];
  for (int64_t begin = 0; begin < line.count; begin += kBlock) {
    const int64_t count = line.count - begin < kBlock ? line.count - begin : kBlock;
    place_taps(tile, line, begin, count, across.reach, down.reach, across.taps, down.taps, taps);
    for (int64_t i = 0; i < count; ++i) {
      table_weights(across, taps.fraction_x[i], columns);
      table_weights(down, taps.fraction_y[i], rows);
      Float8 total{};
      for (int k = 0; k < across.padded; k += 8) {
        const float* at = tile.data + taps.offset[i] + k;
        Float8 sum{};
        for (int r = 0; r < down.taps; ++r, at += tile.stride) {
          sum += *reinterpret_cast<const Float8*>(at) * rows[r];
        }
        total += sum * *reinterpret_cast<const Float8*>(columns + k);
      }
      const Float4 half = __builtin_shufflevector(total, total, 0, 1, 2, 3) +
                          __builtin_shufflevector(total, total, 4, 5, 6, 7);
      out[begin + i] = (half[0] + half[1]) + (half[2] + half[3]);
    }
  }
}

template <typename T>
void blend(const Component& component, int64_t row, int64_t first, int64_t count,
           const float* value, const float* weight, float most) {
  constexpr int kShift = sizeof(T) == 2 ? 6 : 0;
  uint8_t* at = component.data + row * component.stride + first * component.step;
  for (int64_t i = 0; i < count; ++i, at += component.step) {
    if (!(weight[i] > 0)) continue;
    T* sample = reinterpret_cast<T*>(at);
    const auto old = static_cast<float>(*sample >> kShift);
    const float blended = old + weight[i] * (value[i] - old) + 0.5F;
    const float limited = blended > 0 ? (blended < most ? blended : most) : 0;
    *sample = static_cast<T>(static_cast<int32_t>(limited) << kShift);
  }
}

}  // namespace

void unpack_row(const Component& component, int64_t row, int64_t first, int64_t count, float* out) {
  const uint8_t* data = component.data + row * component.stride + first * component.step;
  if (component.wide) {
    return component.step == 2 ? unpack<uint16_t, 1, 6>(data, count, out)
                               : unpack<uint16_t, 2, 6>(data, count, out);
  }
  switch (component.step) {
    case 1:
      return unpack<uint8_t, 1, 0>(data, count, out);
    case 2:
      return unpack<uint8_t, 2, 0>(data, count, out);
    case 3:
      return unpack<uint8_t, 3, 0>(data, count, out);
    default:
      return unpack<uint8_t, 4, 0>(data, count, out);
  }
}

void resample_line(const Tile& tile, const SampleLine& line, const FilterTable& across,
                   const FilterTable& down, float* out) {
  if (across.padded == 0) {
    resample_small(tile, line, out);
  } else {
    resample_large(tile, line, across, down, out);
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

void rgb_row(const float (&matrix)[3][4], const float* const (&values)[3], float scale,
             float offset, int64_t count, float* const (&rgb)[3]) {
  const float* __restrict a = values[0];
  const float* __restrict b = values[1];
  const float* __restrict c = values[2];
  for (int k = 0; k < 3; ++k) {
    const float m0 = matrix[k][0], m1 = matrix[k][1], m2 = matrix[k][2], m3 = matrix[k][3];
    float* __restrict out = rgb[k];
    for (int64_t i = 0; i < count; ++i) {
      const float v = m0 * a[i] + m1 * b[i] + m2 * c[i] + m3;
      out[i] = (v > 0 ? (v < 1 ? v : 1.0F) : 0.0F) * scale + offset;
    }
  }
}

void code_row(const float (&matrix)[4], const float* const (&rgb)[3], float scale, float offset,
              int64_t count, float* code) {
  const float* __restrict r = rgb[0];
  const float* __restrict g = rgb[1];
  const float* __restrict b = rgb[2];
  float* __restrict out = code;
  const auto unit = [scale, offset](float x) {
    x = x * scale + offset;
    return x > 0 ? (x < 1 ? x : 1.0F) : 0.0F;
  };
  const float m0 = matrix[0], m1 = matrix[1], m2 = matrix[2], m3 = matrix[3];
  for (int64_t i = 0; i < count; ++i) {
    out[i] = m0 * unit(r[i]) + m1 * unit(g[i]) + m2 * unit(b[i]) + m3;
  }
}

void blend_row(const Component& component, int64_t row, int64_t first, int64_t count,
               const float* value, const float* weight, float most) {
  if (component.wide) {
    blend<uint16_t>(component, row, first, count, value, weight, most);
  } else {
    blend<uint8_t>(component, row, first, count, value, weight, most);
  }
}

}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
