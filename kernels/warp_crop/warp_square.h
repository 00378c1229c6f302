#pragma once

#include "kernels/image/image_view.h"
#include "kernels/image/sampling.h"
#include "kernels/image/square.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// warp_crop() with WarpFilter::kAverages of a square (kernels/image/square.h) that the host does
/// not know: a network on the device has found it.
///
/// square: float64 [4], contiguous, on the frame's device. crop [3, E, E]: as warp_crop() has it;
/// of a square that is not usable in the frame its values are in the range, and mean nothing. On
/// CUDA asynchronous on the current stream of the frame's device. Errors: c10::Error, before
/// anything is written.
void warp_square(const ImageView& frame, const at::Tensor& square, ValueRange range,
                 const at::Tensor& crop, Outside outside);

}  // namespace latentsync::kernels
