#include "kernels/conv3x3/conv3x3_loops.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

// As many floats as a register of this level holds, and rows whose sums fit into the registers
// beside a row of weights.
#if defined(__AVX512F__)
constexpr int kWidth = 16, kRows = 12;
#elif defined(__AVX2__)
constexpr int kWidth = 8, kRows = 6;
#else
constexpr int kWidth = 4, kRows = 3;
#endif
typedef float Vector __attribute__((vector_size(kWidth * sizeof(float)), aligned(4), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector x) { *reinterpret_cast<Vector*>(to) = x; }

// Interpolation at 0, +-sqrt(1/2), +-sqrt(2) and infinity, which keeps the transforms' coefficients
// closer to 1 than 0, +-1, +-2 and infinity (Lavin and Gray's) do.
constexpr float kA = 0.70710678118654752F, kB = 1.41421356237309505F;

// B^T d
inline void transform_input(const Vector* d, int step, Vector* to, int to_step) {
  const Vector d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
               d5 = d[5 * step];
  const Vector even_a = d4 - 2.0F * d2, odd_a = kA * d3 - kB * d1;
  const Vector even_b = d4 - 0.5F * d2, odd_b = kB * d3 - kA * d1;
  to[0] = d0 + d4 - 2.5F * d2;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = d1 + d5 - 2.5F * d3;
}

// G w
inline void transform_weight(const Vector* w, int w_step, Vector* to, int step) {
  const Vector w0 = w[0], w1 = w[w_step], w2 = w[2 * w_step];
  const Vector even_a = (w0 + 0.5F * w2) * (-1.0F / 1.5F), odd_a = w1 * (-kA / 1.5F);
  const Vector even_b = (w0 + 2.0F * w2) * (1.0F / 6.0F), odd_b = w1 * (kB / 6.0F);
  to[0] = w0;
  to[step] = even_a + odd_a;
  to[2 * step] = even_a - odd_a;
  to[3 * step] = even_b + odd_b;
  to[4 * step] = even_b - odd_b;
  to[5 * step] = w2;
}

// A^T m
inline void transform_output(const Vector* m, int step, Vector* to, int to_step) {
  const Vector sum_a = m[step] + m[2 * step], difference_a = m[step] - m[2 * step];
  const Vector sum_b = m[3 * step] + m[4 * step], difference_b = m[3 * step] - m[4 * step];
  to[0] = m[0] + sum_a + sum_b;
  to[to_step] = kA * difference_a + kB * difference_b;
  to[2 * to_step] = 0.5F * sum_a + 2.0F * sum_b;
  to[3 * to_step] = 0.5F * kA * difference_a + 2.0F * kB * difference_b + m[5 * step];
}

// A g
inline void transform_output_gradient(const Vector* g, int step, Vector* to, int to_step) {
  const Vector g0 = g[0], g1 = g[step], g2 = g[2 * step], g3 = g[3 * step];
  const Vector even_a = g0 + 0.5F * g2, odd_a = kA * g1 + 0.5F * kA * g3;
  const Vector even_b = g0 + 2.0F * g2, odd_b = kB * g1 + 2.0F * kB * g3;
  to[0] = g0;
  to[to_step] = even_a + odd_a;
  to[2 * to_step] = even_a - odd_a;
  to[3 * to_step] = even_b + odd_b;
  to[4 * to_step] = even_b - odd_b;
  to[5 * to_step] = g3;
}

// G^T u
inline void transform_weight_gradient(const Vector* u, int step, Vector* to, int to_step) {
  const Vector sum_a = (u[step] + u[2 * step]) * (-1.0F / 1.5F);
  const Vector difference_a = (u[step] - u[2 * step]) * (-1.0F / 1.5F);
  const Vector sum_b = (u[3 * step] + u[4 * step]) * (1.0F / 6.0F);
  const Vector difference_b = (u[3 * step] - u[4 * step]) * (1.0F / 6.0F);
  to[0] = u[0] + sum_a + sum_b;
  to[to_step] = kA * difference_a + kB * difference_b;
  to[2 * to_step] = 0.5F * sum_a + 2.0F * sum_b + u[5 * step];
}

struct Place {
  int64_t image, top, left;  // of the tile's first output
};

inline Place place_of(const Conv3x3Image& image, int64_t tile) {
  const int64_t across = image.across(), of_image = across * image.down();
  const int64_t within = tile % of_image;
  return {tile / of_image, within / across * 4, within % across * 4};
}

// One block of rows, as many as are summed at once, over a part of the depth.
template <int kCount>
inline void multiply_part(const Conv3x3Product& product, const float* __restrict a,
                          const float* __restrict b, int64_t depth, bool add,
                          float* __restrict to) {
  constexpr int kVectors = static_cast<int>(kConv3x3Columns) / kWidth;
  Vector sums[kCount][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = Vector{};
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector row[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = load(b + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) {
      const float value = a[r * product.a_row];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] += value * row[v];
    }
    a += product.a_depth;
    b += product.b_depth;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* place = to + r * product.to_row + v * kWidth;
      store(place, add ? load(place) + sums[r][v] : sums[r][v]);
    }
  }
}

// Sums of few products, added up: one long sum loses up to twice as much to rounding.
template <int kCount>
inline void multiply_rows(const Conv3x3Product& product, const float* a, const float* b, bool add,
                          float* to) {
  constexpr int64_t kDepth = 32;
  for (int64_t k = 0; k < product.depth; k += kDepth) {
    const int64_t depth = product.depth - k < kDepth ? product.depth - k : kDepth;
    multiply_part<kCount>(product, a + k * product.a_depth, b + k * product.b_depth, depth,
                          add || k > 0, to);
  }
}

}  // namespace

void conv3x3_weights(const float* weight, int64_t channel, bool turned, int64_t step,
                     float* values) {
  constexpr int kChannels = static_cast<int>(kConv3x3Columns);
  float gathered[9 * kChannels];
  for (int c = 0; c < kChannels; ++c) {
    for (int i = 0; i < 9; ++i) {
      gathered[(turned ? 8 - i : i) * kChannels + c] = weight[c * channel + i];
    }
  }
  for (int c = 0; c < kChannels; c += kWidth) {
    Vector given[9], rows[6 * 3], all[36];
    for (int i = 0; i < 9; ++i) given[i] = load(gathered + i * kChannels + c);
    for (int column = 0; column < 3; ++column)
      transform_weight(given + column, 3, rows + column, 3);
    for (int row = 0; row < 6; ++row) transform_weight(rows + 3 * row, 1, all + 6 * row, 1);
    for (int i = 0; i < 36; ++i) store(values + i * step + c, all[i]);
  }
}

void conv3x3_inputs(const Conv3x3Image& image, const float* x, int64_t channels, int64_t first,
                    int64_t count, const float* zeros, int64_t part, float* to) {
  for (int64_t tile = 0; tile < count; ++tile) {
    const auto place = place_of(image, first + tile);
    const float* pixels[36];
    for (int row = 0; row < 6; ++row) {
      const int64_t y = place.top + row - 1;
      for (int column = 0; column < 6; ++column) {
        const int64_t z = place.left + column - 1;
        const bool inside = y >= 0 && y < image.height && z >= 0 && z < image.width;
        pixels[6 * row + column] =
            inside ? x + ((place.image * image.height + y) * image.width + z) * channels : zeros;
      }
    }
    float* target = to + tile * channels;
    for (int64_t c = 0; c < channels; c += kWidth) {
      Vector values[36], rows[36];
#pragma GCC unroll 36
      for (int i = 0; i < 36; ++i) values[i] = load(pixels[i] + c);
#pragma GCC unroll 6
      for (int column = 0; column < 6; ++column) {
        transform_input(values + column, 6, rows + column, 6);
      }
#pragma GCC unroll 6
      for (int row = 0; row < 6; ++row) {
        transform_input(rows + 6 * row, 1, values + 6 * row, 1);
      }
#pragma GCC unroll 36
      for (int i = 0; i < 36; ++i) store(target + i * part + c, values[i]);
    }
  }
}

void conv3x3_multiply(const Conv3x3Product& product, const float* a, const float* b, bool add,
                      float* to) {
  for (int64_t column = 0; column < product.columns; column += kConv3x3Columns) {
    const float* panel = b + column / kConv3x3Columns * product.b_panel;
    int64_t row = 0;
    for (; row + kRows <= product.rows; row += kRows) {
      multiply_rows<kRows>(product, a + row * product.a_row, panel, add,
                           to + row * product.to_row + column);
    }
    for (; row < product.rows; ++row) {
      multiply_rows<1>(product, a + row * product.a_row, panel, add,
                       to + row * product.to_row + column);
    }
  }
}

void conv3x3_outputs(const Conv3x3Image& image, const float* from, int64_t part, int64_t channels,
                     int64_t first, int64_t count, const float* bias, const float* residual,
                     bool relu, float* y) {
  for (int64_t tile = 0; tile < count; ++tile) {
    const auto place = place_of(image, first + tile);
    const int64_t high = image.height - place.top < 4 ? image.height - place.top : 4;
    const int64_t wide = image.width - place.left < 4 ? image.width - place.left : 4;
    const int64_t start =
        ((place.image * image.height + place.top) * image.width + place.left) * channels;
    const float* source = from + tile * channels;
    for (int64_t c = 0; c < channels; c += kWidth) {
      Vector values[36], rows[4 * 6], outputs[16];
#pragma GCC unroll 36
      for (int i = 0; i < 36; ++i) values[i] = load(source + i * part + c);
#pragma GCC unroll 6
      for (int column = 0; column < 6; ++column) {
        transform_output(values + column, 6, rows + column, 6);
      }
#pragma GCC unroll 4
      for (int row = 0; row < 4; ++row) transform_output(rows + 6 * row, 1, outputs + 4 * row, 1);
      const Vector offset = bias != nullptr ? load(bias + c) : Vector{};
      for (int64_t row = 0; row < high; ++row) {
        for (int64_t column = 0; column < wide; ++column) {
          const int64_t at = start + (row * image.width + column) * channels + c;
          Vector value = outputs[4 * row + column] + offset;
          if (residual != nullptr) value += load(residual + at);
          if (relu) value = value < 0.0F ? Vector{} : value;  // what is no number stays none
          store(y + at, value);
        }
      }
    }
  }
}

void conv3x3_output_gradients(const Conv3x3Image& image, const float* dy, int64_t channels,
                              int64_t first, int64_t count, const float* zeros, int64_t part,
                              float* to) {
  for (int64_t tile = 0; tile < count; ++tile) {
    const auto place = place_of(image, first + tile);
    const float* pixels[16];
    for (int row = 0; row < 4; ++row) {
      const int64_t y = place.top + row;
      for (int column = 0; column < 4; ++column) {
        const int64_t z = place.left + column;
        pixels[4 * row + column] =
            y < image.height && z < image.width
                ? dy + ((place.image * image.height + y) * image.width + z) * channels
                : zeros;
      }
    }
    float* target = to + tile * channels;
    for (int64_t c = 0; c < channels; c += kWidth) {
      Vector outputs[16], rows[6 * 4], values[36];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) outputs[i] = load(pixels[i] + c);
#pragma GCC unroll 4
      for (int column = 0; column < 4; ++column) {
        transform_output_gradient(outputs + column, 4, rows + column, 4);
      }
#pragma GCC unroll 6
      for (int row = 0; row < 6; ++row)
        transform_output_gradient(rows + 4 * row, 1, values + 6 * row, 1);
#pragma GCC unroll 36
      for (int i = 0; i < 36; ++i) store(target + i * part + c, values[i]);
    }
  }
}

void conv3x3_weight_gradients(const float* values, int64_t step, int64_t channel, float* weight) {
  constexpr int kChannels = static_cast<int>(kConv3x3Columns);
  float gathered[9 * kChannels];
  for (int c = 0; c < kChannels; c += kWidth) {
    Vector all[36], rows[6 * 3], made[9];
    for (int i = 0; i < 36; ++i) all[i] = load(values + i * step + c);
    for (int row = 0; row < 6; ++row)
      transform_weight_gradient(all + 6 * row, 1, rows + 3 * row, 1);
    for (int column = 0; column < 3; ++column) {
      transform_weight_gradient(rows + column, 3, made + column, 3);
    }
    for (int i = 0; i < 9; ++i) store(gathered + i * kChannels + c, made[i]);
  }
  for (int c = 0; c < kChannels; ++c) {
    for (int i = 0; i < 9; ++i) weight[c * channel + i] = gathered[i * kChannels + c];
  }
}

}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
