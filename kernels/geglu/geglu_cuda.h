#pragma once

#include "kernels/cuda/launch.h"

#include <cstdint>

namespace latentsync::kernels {

/// x [rows, 2 inner] -> y [rows, inner], both contiguous; y does not overlap x.
cudaError_t launch_geglu(CudaElement element, const void* x, int64_t rows, int64_t inner, void* y,
                         cudaStream_t stream);

}  // namespace latentsync::kernels
