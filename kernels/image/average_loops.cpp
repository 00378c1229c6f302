#include "kernels/image/average_loops.h"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

template <typename T, int kShift>
void add_rows(const uint8_t* data, int64_t stride, int64_t rows, int64_t count,
              uint32_t* __restrict sums) {
  const T* __restrict first = reinterpret_cast<const T*>(data);
  for (int64_t i = 0; i < count; ++i) sums[i] = first[i] >> kShift;
  for (int64_t r = 1; r < rows; ++r) {
    const T* __restrict in = reinterpret_cast<const T*>(data + r * stride);
    for (int64_t i = 0; i < count; ++i) sums[i] += in[i] >> kShift;
  }
}

}  // namespace

void sum_rows(const Component& component, int64_t row, int64_t rows, int64_t first, int64_t count,
              uint32_t* sums) {
  const uint8_t* data = component.data + row * component.stride + first * component.step;
  const int64_t step = component.step / (component.wide ? 2 : 1);
  const int64_t values = (count - 1) * step + 1;
  if (component.wide) {
    add_rows<uint16_t, 6>(data, component.stride, rows, values, sums);
  } else {
    add_rows<uint8_t, 0>(data, component.stride, rows, values, sums);
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
