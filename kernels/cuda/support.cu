#include "kernels/cuda/support.h"

#include <cuda_runtime_api.h>
#include <thread>

namespace latentsync::kernels {
namespace {

__global__ void nothing() {}

}  // namespace

bool has_code_for(int device) {
  bool has_code = true;
  // The current device belongs to the thread: one of its own has nothing to set back, which would
  // make the context of a device that nobody asked for.
  std::thread([&] {
    if (cudaSetDevice(device) != cudaSuccess) return;
    cudaFuncAttributes attributes;
    // All kernels are compiled for the same architectures.
    const cudaError_t status = cudaFuncGetAttributes(&attributes, nothing);
    has_code =
        status != cudaErrorNoKernelImageForDevice && status != cudaErrorInvalidDeviceFunction;
  }).join();
  return has_code;
}

}  // namespace latentsync::kernels
