#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/mesh_square/mesh_square_math.h"

namespace latentsync::kernels {

/// square, next: the four numbers of a Square; next does not overlap square.
cudaError_t launch_mesh_square(const float* points, const double* square,
                               const MeshSquareOptions& options, double* next, cudaStream_t stream);

}  // namespace latentsync::kernels
