#include "kernels/cuda/support.h"

#include <cuda_runtime_api.h>

namespace latentsync::kernels {
namespace {

__global__ void nothing() {}

}  // namespace

bool has_code_for(int device) {
  int before = 0;
  if (cudaGetDevice(&before) != cudaSuccess || cudaSetDevice(device) != cudaSuccess) return true;
  cudaFuncAttributes attributes;
  // All kernels are compiled for the same architectures.
  const cudaError_t status = cudaFuncGetAttributes(&attributes, nothing);
  cudaSetDevice(before);
  cudaGetLastError();  // what was answered here is no later call's failure
  return status != cudaErrorNoKernelImageForDevice && status != cudaErrorInvalidDeviceFunction;
}

}  // namespace latentsync::kernels
