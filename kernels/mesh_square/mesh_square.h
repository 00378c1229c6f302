#pragma once

#include "kernels/mesh_square/mesh_square_math.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// The square around a mesh of points, upright by two of them: where the same face is looked for in
/// the next frame, without a wait of the host.
///
/// points: float32, contiguous, x, y and z of options.points points from its first value on, in
/// pixels of a view with options.edge pixels on a side. square: float64 [4]
/// (kernels/image/square.h) on the same device, what the view shows. Returns float64 [4]: the
/// middle of the points' bounding box, options.scale times its longer edge, the direction from
/// options.first to options.second; numbers that are none where one of the points is none. On CUDA
/// asynchronous on the current stream. Errors: c10::Error for tensors that do not fit.
at::Tensor mesh_square(const at::Tensor& points, const at::Tensor& square,
                       const MeshSquareOptions& options);

}  // namespace latentsync::kernels
