#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// Group normalisation over the frames of a window, with the neighbouring operations of a resnet
/// folded in: y = act((x + shift - mean) / sqrt(var + eps) * weight + bias), act = SiLU or
/// identity.
///
/// x [B*F, C, H, W], b-major, float32, bfloat16 or float16, channels-last contiguous (others are
/// copied first). shift [B, C] of x's dtype, or nothing. weight, bias [C] of x's dtype. groups
/// divides C; frames divides B*F. Mean and (biased) variance run over the group's channels and all
/// of an entry's F frames, in at least float32 with a compensated mean, so that a group of few,
/// nearly equal values keeps its digits. Returns a new channels-last tensor; x is never written. On
/// CUDA: asynchronous on the current stream. Differentiable in x, shift, weight and bias: once in
/// float32 on a CPU (group_norm_gradients.h), elsewhere through ATen. Errors: c10::Error where
/// shapes or dtypes do not fit.
///
/// Also registered as torch.ops.latentsync.group_norm.
at::Tensor group_norm(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                      const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                      int64_t frames, double eps, bool silu);

/// group_norm() in x's own memory, with the same result: x is channels-last contiguous, and neither
/// shift nor weight nor bias is a view of it. Returns x. Not differentiable. Errors: c10::Error,
/// also where a gradient is wanted; x is then as it was.
///
/// Also registered as torch.ops.latentsync.group_norm_.
at::Tensor& group_norm_(at::Tensor& x, const std::optional<at::Tensor>& shift,
                        const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                        int64_t frames, double eps, bool silu);

/// group_norm() through ATen's operators alone, on any device.
at::Tensor group_norm_composite(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                                const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                                int64_t frames, double eps, bool silu);

/// Throws c10::Error unless the arguments are as group_norm() documents them.
void check_group_norm(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                      const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                      int64_t frames);

/// The same for group_norm_().
void check_group_norm_(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                       const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                       int64_t frames);

}  // namespace latentsync::kernels
