#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/components.h"
#include "kernels/image/sampling.h"
#include "kernels/warp_crop/warp_crop.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// warp_crop() of checked arguments on a CUDA device.
void warp_crop_on_cuda(const Components& frame, const Affine& crop_to_frame, ValueRange range,
                       const at::Tensor& crop, const WarpOptions& options);

/// warp_square() likewise, of a frame of FRAME_WIDTH x FRAME_HEIGHT luma samples.
void warp_square_on_cuda(const Components& frame, const at::Tensor& square, int frame_width,
                         int frame_height, ValueRange range, const at::Tensor& crop,
                         const WarpOptions& options);

}  // namespace latentsync::kernels
