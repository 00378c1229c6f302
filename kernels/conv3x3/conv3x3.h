#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// 3x3 convolutions with stride 1 and padding 1 on a CPU, by Winograd's minimal filtering
/// F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016): a
/// quarter of the multiplications. Float32; results differ from the sum's by about 5e-7 of their
/// size. For networks whose weights are few beside their pixels: transformed they take four times
/// the memory.

/// Whether a weight [out, in, 3, 3] can be taken: float32, on a CPU, in and out multiples of 16.
bool conv3x3_takes(const at::Tensor& weight);

/// The weight [out, in, 3, 3] transformed: float32 [36, out / 16, in, 16].
at::Tensor conv3x3_weights(const at::Tensor& weight);

/// y = act(conv(x) + bias + residual), act = ReLU or identity: x [N, in, H, W] float32, copied
/// where it is not channels-last; weights from conv3x3_weights(); bias [out] or undefined; residual
/// [N, out, H, W] or undefined -> channels-last [N, out, H, W]. The number of threads does not
/// change the result. No autograd. Errors: c10::Error where shapes do not fit.
at::Tensor conv3x3(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& bias,
                   const at::Tensor& residual = {}, bool relu = false);

/// conv(x) + bias, differentiable once in x, weight and bias. weight: as conv3x3_takes() wants it.
at::Tensor conv3x3_differentiable(const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& bias);

}  // namespace latentsync::kernels
