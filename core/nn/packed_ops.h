#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

/// oneDNN's inference operators with weights that are laid out for the CPU once instead of at every
/// call, and with the neighbouring element-wise operation folded into the matrix multiplication. No
/// autograd. A packed weight is opaque: it can only be given back to these functions.
namespace latentsync::nn::packed {

/// Whether weights of this device and dtype can be packed: a CPU, float32, or bfloat16 where the
/// CPU multiplies it in hardware.
bool available(c10::Device device, c10::ScalarType dtype);

/// weight [out, in].
at::Tensor pack_linear(const at::Tensor& weight);

enum class Activation { kNone, kGelu };
/// x [..., in] -> activation(x W^T + bias) [..., out]; bias may be undefined; exact (erf) GELU.
at::Tensor linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                  Activation activation = Activation::kNone);

enum class Binary { kAdd, kMul };
/// (x W^T + bias) + other, or times other; other has the result's shape.
at::Tensor linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                  Binary binary, const at::Tensor& other);

/// weight [out, in, k, k]; a caller that moves its only reference in is spared a third copy.
at::Tensor pack_conv2d(at::Tensor weight, int64_t stride, int64_t padding);

/// x [N, in, H, W] channels-last -> [N, out, H', W'] channels-last.
at::Tensor conv2d(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                  int64_t stride, int64_t padding);

}  // namespace latentsync::nn::packed
