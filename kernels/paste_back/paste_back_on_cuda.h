#pragma once

#include "kernels/image/sampling.h"
#include "kernels/paste_back/region.h"

#include <array>

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// paste_back() of checked arguments on a CUDA device.
void paste_back_on_cuda(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                        const std::array<PasteTarget, 3>& targets, const ColorTransform& color);

}  // namespace latentsync::kernels
