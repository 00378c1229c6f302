#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

struct GroupNormGradients {
  at::Tensor x;      ///< channels-last
  at::Tensor shift;  ///< undefined where there is none
  at::Tensor weight, bias;
};

/// What group_norm() of these arguments passes on of DY, the gradient of its result, on a CPU.
/// All are float32; the shapes are group_norm()'s. Statistics are found anew: nothing but the
/// arguments has to be kept for it. Nothing is checked.
GroupNormGradients group_norm_gradients_cpu(const at::Tensor& dy, const at::Tensor& x,
                                            const std::optional<at::Tensor>& shift,
                                            const at::Tensor& weight, const at::Tensor& bias,
                                            int64_t groups, int64_t frames, double eps, bool silu);

}  // namespace latentsync::kernels
