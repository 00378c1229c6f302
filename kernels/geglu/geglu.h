#pragma once

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// values * gelu(gates) with the exact (erf) GELU, where x [..., 2 n] holds the values, then the
/// gates.
///
/// x: float32, bfloat16 or float16, contiguous (others are copied first), an even last dimension.
/// Returns a new contiguous [..., n] of x's dtype. On CUDA: one pass, asynchronous on the current
/// stream, float32 inside; elsewhere through ATen. Differentiable (through ATen). Errors:
/// c10::Error where x does not fit.
///
/// Also registered as torch.ops.latentsync.geglu.
at::Tensor geglu(const at::Tensor& x);

/// The same through ATen's operators alone, on any device.
at::Tensor geglu_composite(const at::Tensor& x);

/// Throws c10::Error unless x is as geglu() documents it.
void check_geglu(const at::Tensor& x);

}  // namespace latentsync::kernels
