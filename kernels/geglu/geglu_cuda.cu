#include "kernels/cuda/element.cuh"
#include "kernels/geglu/geglu_cuda.h"

namespace latentsync::kernels {
namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void geglu_kernel(const T* __restrict__ x, int64_t rows, int64_t inner,
                             T* __restrict__ y) {
  const int64_t total = rows * inner;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < total;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const int64_t row = i / inner;
    const T* __restrict__ in = x + row * 2 * inner + (i - row * inner);
    const float gate = to_float(in[inner]);
    const float gelu = 0.5F * gate * (1.0F + erff(gate * 0.70710678118654752F));
    y[i] = from_float<T>(to_float(in[0]) * gelu);
  }
}

}  // namespace

cudaError_t launch_geglu(CudaElement element, const void* x, int64_t rows, int64_t inner, void* y,
                         cudaStream_t stream) {
  // Enough blocks to fill any device; the loop takes the rest.
  constexpr int64_t kMostBlocks = 16384;
  const int64_t wanted = (rows * inner + kThreads - 1) / kThreads;
  const auto blocks = static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks);
  dispatch(element, [&](auto zero) {
    using T = decltype(zero);
    geglu_kernel<T><<<blocks, kThreads, 0, stream>>>(static_cast<const T*>(x), rows, inner,
                                                     static_cast<T*>(y));
  });
  return cudaGetLastError();
}

}  // namespace latentsync::kernels
