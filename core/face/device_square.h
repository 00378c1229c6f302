#pragma once

#include "core/face/geometry.h"
#include "kernels/image/square.h"

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

/// Squares that a device computes and looks at without the host: float64 [4], as kernels::Square.
namespace latentsync::face {

kernels::Square kernel_square(const RotatedSquare& square);

/// Of four numbers in host memory.
RotatedSquare square_in(const double* values);

/// SQUARE on DEVICE; the host does not wait.
at::Tensor square_on(c10::Device device, const RotatedSquare& square);

/// Whether a picture of WIDTH x HEIGHT can be looked at through it: kernels::is_usable().
bool is_usable(const RotatedSquare& square, int64_t width, int64_t height);

}  // namespace latentsync::face
