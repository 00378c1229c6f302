#pragma once

#include "kernels/cuda/launch.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

/// Elements of tensors as the kernels read and write them.
namespace latentsync::kernels {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T>
__device__ inline T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

/// Calls f(T{}) with the element's type.
template <typename F>
void dispatch(CudaElement element, F&& f) {
  switch (element) {
    case CudaElement::kFloat:
      return f(float{});
    case CudaElement::kHalf:
      return f(__half{});
    case CudaElement::kBfloat16:
      return f(__nv_bfloat16{});
  }
}

}  // namespace latentsync::kernels
