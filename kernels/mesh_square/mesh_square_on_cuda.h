#pragma once

#include "kernels/mesh_square/mesh_square_math.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// mesh_square() of checked arguments on a CUDA device.
at::Tensor mesh_square_on_cuda(const at::Tensor& points, const at::Tensor& square,
                               const MeshSquareOptions& options);

}  // namespace latentsync::kernels
