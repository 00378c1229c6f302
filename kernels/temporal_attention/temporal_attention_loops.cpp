#include "kernels/temporal_attention/temporal_attention_loops.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

float square_root(float x) { return __builtin_sqrtf(x); }

template <typename T>
float dot(const T* __restrict a, const T* __restrict b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += to_float(a[i]) * to_float(b[i]);
  return sum;
}

void softmax(float* __restrict row, int64_t n) {
  float largest = row[0];
  for (int64_t i = 1; i < n; ++i) largest = row[i] > largest ? row[i] : largest;
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    row[i] = exp_approx(row[i] - largest);
    sum += row[i];
  }
  const float inverse = 1.0F / sum;
  for (int64_t i = 0; i < n; ++i) row[i] *= inverse;
}

// One head of one token; `stride` elements lie between its frames.
template <typename T>
void attend(const T* q, const T* k, const T* v, int64_t frames, int64_t head_dim, int64_t stride,
            float* __restrict weights, float* __restrict row, T* out) {
  const float scale = 1.0F / square_root(static_cast<float>(head_dim));
  for (int64_t i = 0; i < frames; ++i) {
    for (int64_t j = 0; j < frames; ++j) {
      weights[i * frames + j] = dot(q + i * stride, k + j * stride, head_dim) * scale;
    }
    softmax(weights + i * frames, frames);
  }
  for (int64_t i = 0; i < frames; ++i) {
    for (int64_t x = 0; x < head_dim; ++x) row[x] = 0;
    for (int64_t j = 0; j < frames; ++j) {
      const float weight = weights[i * frames + j];
      const T* __restrict value = v + j * stride;
      for (int64_t x = 0; x < head_dim; ++x) row[x] += weight * to_float(value[x]);
    }
    T* __restrict result = out + i * stride;
    for (int64_t x = 0; x < head_dim; ++x) result[x] = from_float<T>(row[x]);
  }
}

template <typename T>
void tokens(const TemporalAttentionShape& shape, const T* q, const T* k, const T* v, int64_t begin,
            int64_t end, float* scratch, T* out) {
  const int64_t channels = shape.heads * shape.head_dim;
  const int64_t stride = shape.tokens * channels;
  float* row = scratch + shape.frames * shape.frames;
  for (int64_t token = begin; token < end; ++token) {
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t at = token * channels + head * shape.head_dim;
      attend(q + at, k + at, v + at, shape.frames, shape.head_dim, stride, scratch, row, out + at);
    }
  }
}

}  // namespace

void temporal_attention_tokens(Element element, const TemporalAttentionShape& shape, const void* q,
                               const void* k, const void* v, int64_t begin, int64_t end,
                               float* scratch, void* out) {
  if (element == Element::kFloat) {
    tokens(shape, static_cast<const float*>(q), static_cast<const float*>(k),
           static_cast<const float*>(v), begin, end, scratch, static_cast<float*>(out));
  } else {
    tokens(shape, static_cast<const Bfloat16*>(q), static_cast<const Bfloat16*>(k),
           static_cast<const Bfloat16*>(v), begin, end, scratch, static_cast<Bfloat16*>(out));
  }
}

}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
