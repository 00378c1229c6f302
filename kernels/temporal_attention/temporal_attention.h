#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// Self-attention over the frames of a window: each token attends to itself in the other frames,
/// softmax(q k^T / sqrt(d)) v.
///
/// q, k, v [B*F, T, H*d], b-major, of one shape, device and floating dtype; heads H divides the
/// last dimension, frames F divides the first. Contiguous (others are copied first). Scores and
/// sums are taken in at least float32. Returns a new contiguous [B*F, T, H*d]. On CUDA:
/// asynchronous on the current stream. Differentiable (through ATen). Errors: c10::Error where
/// shapes or dtypes do not fit.
///
/// Also registered as torch.ops.latentsync.temporal_attention.
at::Tensor temporal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              int64_t heads, int64_t frames);

/// The same through ATen's operators alone, on any device.
at::Tensor temporal_attention_composite(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v, int64_t heads, int64_t frames);

/// Throws c10::Error unless the arguments are as temporal_attention() documents them.
void check_temporal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              int64_t heads, int64_t frames);

/// The longest window that the kernels take; a longer one goes through ATen.
inline constexpr int64_t kTemporalAttentionMaxFrames = 32;

}  // namespace latentsync::kernels
