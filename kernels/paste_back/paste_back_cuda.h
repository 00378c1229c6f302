#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/components.h"
#include "kernels/image/sampling.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// paste_back() of checked arguments on a CUDA device.
void paste_back_cuda(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                     const Affine& crop_to_frame, const Components& frame);

}  // namespace latentsync::kernels
