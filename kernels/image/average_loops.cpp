#include "kernels/image/average_loops.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

template <typename Samples>
void add_rows(const uint8_t* data, int64_t first, int64_t stride, int64_t rows, int64_t count,
              uint32_t* __restrict sums) {
  using T = typename Samples::T;
  for (int64_t i = 0; i < count; ++i) sums[i] = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const T* __restrict in = reinterpret_cast<const T*>(data + r * stride) + first;
    for (int64_t i = 0; i < count; ++i) {
      sums[i] += static_cast<uint32_t>(in[i] >> Samples::kShift & Samples::kMost);
    }
  }
}

void add_packed_rows(const uint8_t* data, int64_t first, int64_t stride, int64_t rows,
                     int64_t count, uint32_t* __restrict sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const auto* __restrict words = reinterpret_cast<const uint32_t*>(data + r * stride);
    for (int64_t i = 0; i < count; ++i) {
      const auto place = packed_place(first + i);
      sums[i] += words[place.word] >> place.shift & 1023;
    }
  }
}

}  // namespace

void sum_rows(const Component& component, int64_t row, int64_t rows, int64_t first, int64_t count,
              uint32_t* sums) {
  const uint8_t* data = component.data + row * component.stride;
  const int64_t stride = component.stride;
  const int64_t begin = component.first + first * component.step;
  const int64_t values = (count - 1) * component.step + 1;
  switch (component.type) {
    case SampleType::kByte:
      return add_rows<ByteSamples>(data, begin, stride, rows, values, sums);
    case SampleType::kHigh10:
      return add_rows<High10Samples>(data, begin, stride, rows, values, sums);
    case SampleType::kLow10:
      return add_rows<Low10Samples>(data, begin, stride, rows, values, sums);
    case SampleType::kPacked10:
      return add_packed_rows(data, begin, stride, rows, values, sums);
  }
}

void average_blocks(const uint32_t* sums, int64_t step, int64_t count, int64_t block, int64_t rows,
                    float* out) {
  for (int64_t begin = 0; begin < count; begin += block) {
    const int64_t end = begin + block < count ? begin + block : count;
    uint64_t total = 0;
    for (int64_t i = begin; i < end; ++i) total += sums[i * step];
    *out++ =
        static_cast<float>(static_cast<double>(total) / static_cast<double>((end - begin) * rows));
  }
}

}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
