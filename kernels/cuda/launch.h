#pragma once

#include <cuda_runtime_api.h>

/// What the launchers in *_cuda.cu files share with the ATen glue that calls them.
///
/// A .cu file includes no ATen: nvcc takes minutes over it for every architecture. Its launchers
/// take plain pointers on the current device and a stream, allocate nothing, and return what
/// cudaGetLastError() says of the launch.
namespace latentsync::kernels {

/// The dtypes that the CUDA kernels take; others go through ATen. All arithmetic inside is float or
/// better.
enum class CudaElement { kFloat, kHalf, kBfloat16 };

}  // namespace latentsync::kernels
