#include "kernels/group_norm/group_norm_loops.h"

#include "kernels/cpu/element.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

// Rows summed in float before they go into the double sums: few enough that no digits are lost.
constexpr int64_t kBlockRows = 64;

template <typename T>
void sums(const T* __restrict x, const float* __restrict shift, const float* __restrict pivot,
          int64_t rows, int64_t channels, float* __restrict block_sum,
          float* __restrict block_square, double* __restrict sum,
          double* __restrict sum_of_squares) {
  for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
    const int64_t end = begin + kBlockRows < rows ? begin + kBlockRows : rows;
    for (int64_t c = 0; c < channels; ++c) block_sum[c] = block_square[c] = 0;
    for (int64_t row = begin; row < end; ++row) {
      const T* __restrict values = x + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float d = to_float(values[c]) + shift[c] - pivot[c];
        block_sum[c] += d;
        block_square[c] += d * d;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sum[c] += block_sum[c];
      sum_of_squares[c] += block_square[c];
    }
  }
}

// y is x, or does not overlap it.
template <typename T, bool kSilu>
void apply(const T* x, const float* __restrict shift, const float* __restrict mean_high,
           const float* __restrict mean_low, const float* __restrict scale,
           const float* __restrict offset, int64_t rows, int64_t channels, T* y) {
  for (int64_t row = 0; row < rows; ++row) {
    const T* in = x + row * channels;
    T* out = y + row * channels;
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      const float centred = ((to_float(in[c]) + shift[c]) - mean_high[c]) - mean_low[c];
      const float value = centred * scale[c] + offset[c];
      out[c] = from_float<T>(kSilu ? silu(value) : value);
    }
  }
}

template <typename T>
void apply(bool silu, const void* x, const float* shift, const float* mean_high,
           const float* mean_low, const float* scale, const float* offset, int64_t rows,
           int64_t channels, void* y) {
  const auto* in = static_cast<const T*>(x);
  auto* out = static_cast<T*>(y);
  if (silu) {
    apply<T, true>(in, shift, mean_high, mean_low, scale, offset, rows, channels, out);
  } else {
    apply<T, false>(in, shift, mean_high, mean_low, scale, offset, rows, channels, out);
  }
}

// The gradient of n, from DY, that of its activation.
template <bool kSilu>
inline float before_activation(float n, float dy) {
  if (!kSilu) return dy;
  const float gate = 1.0F / (1.0F + exp_approx(-n));
  return dy * gate * (1.0F + n * (1.0F - gate));
}

template <bool kSilu>
void gradient_sums(const float* __restrict x, const float* __restrict dy,
                   const float* __restrict shift, const float* __restrict mean_high,
                   const float* __restrict mean_low, const float* __restrict scale,
                   const float* __restrict offset, int64_t rows, int64_t channels,
                   float* __restrict block_gradients, float* __restrict block_projected,
                   float* __restrict block_offsets, double* __restrict gradients,
                   double* __restrict projected, double* __restrict offsets) {
  for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
    const int64_t end = begin + kBlockRows < rows ? begin + kBlockRows : rows;
    for (int64_t c = 0; c < channels; ++c) {
      block_gradients[c] = block_projected[c] = block_offsets[c] = 0;
    }
    for (int64_t row = begin; row < end; ++row) {
      const float* __restrict in = x + row * channels;
      const float* __restrict out = dy + row * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float centred = ((in[c] + shift[c]) - mean_high[c]) - mean_low[c];
        const float wanted = before_activation<kSilu>(centred * scale[c] + offset[c], out[c]);
        block_gradients[c] += wanted;
        block_projected[c] += wanted * centred;
        block_offsets[c] += centred;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      gradients[c] += block_gradients[c];
      projected[c] += block_projected[c];
      offsets[c] += block_offsets[c];
    }
  }
}

template <bool kSilu>
void gradient(const float* __restrict x, const float* __restrict dy, const float* __restrict shift,
              const float* __restrict mean_high, const float* __restrict mean_low,
              const float* __restrict scale, const float* __restrict offset,
              const float* __restrict slope, const float* __restrict level, int64_t rows,
              int64_t channels, float* __restrict dx) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* __restrict in = x + row * channels;
    const float* __restrict out = dy + row * channels;
    float* __restrict to = dx + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float centred = ((in[c] + shift[c]) - mean_high[c]) - mean_low[c];
      const float wanted = before_activation<kSilu>(centred * scale[c] + offset[c], out[c]);
      to[c] = wanted * scale[c] - centred * slope[c] - level[c];
    }
  }
}

}  // namespace

void group_norm_sums(Element element, const void* x, const float* shift, const float* pivot,
                     int64_t rows, int64_t channels, float* scratch, double* sum,
                     double* sum_of_squares) {
  if (element == Element::kFloat) {
    sums(static_cast<const float*>(x), shift, pivot, rows, channels, scratch, scratch + channels,
         sum, sum_of_squares);
  } else {
    sums(static_cast<const Bfloat16*>(x), shift, pivot, rows, channels, scratch, scratch + channels,
         sum, sum_of_squares);
  }
}

void group_norm_apply(Element element, const void* x, const float* shift, const float* mean_high,
                      const float* mean_low, const float* scale, const float* offset, bool silu,
                      int64_t rows, int64_t channels, void* y) {
  if (element == Element::kFloat) {
    apply<float>(silu, x, shift, mean_high, mean_low, scale, offset, rows, channels, y);
  } else {
    apply<Bfloat16>(silu, x, shift, mean_high, mean_low, scale, offset, rows, channels, y);
  }
}

void group_norm_gradient_sums(const float* x, const float* dy, const float* shift,
                              const float* mean_high, const float* mean_low, const float* scale,
                              const float* offset, bool silu, int64_t rows, int64_t channels,
                              float* scratch, double* gradients, double* projected,
                              double* offsets) {
  const auto sums = silu ? gradient_sums<true> : gradient_sums<false>;
  sums(x, dy, shift, mean_high, mean_low, scale, offset, rows, channels, scratch,
       scratch + channels, scratch + 2 * channels, gradients, projected, offsets);
}

void group_norm_gradient(const float* x, const float* dy, const float* shift,
                         const float* mean_high, const float* mean_low, const float* scale,
                         const float* offset, const float* slope, const float* level, bool silu,
                         int64_t rows, int64_t channels, float* dx) {
  const auto loop = silu ? gradient<true> : gradient<false>;
  loop(x, dy, shift, mean_high, mean_low, scale, offset, slope, level, rows, channels, dx);
}

}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
