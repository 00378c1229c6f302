#pragma once

#include "kernels/cuda/launch.h"

#include <initializer_list>
#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>

/// From tensors to what a launcher takes.
namespace latentsync::kernels {

/// The kernels' name of a dtype, or nothing where they do not take it.
inline std::optional<CudaElement> cuda_element(at::ScalarType dtype) {
  if (dtype == at::kFloat) return CudaElement::kFloat;
  if (dtype == at::kHalf) return CudaElement::kHalf;
  if (dtype == at::kBFloat16) return CudaElement::kBfloat16;
  return std::nullopt;
}

}  // namespace latentsync::kernels
