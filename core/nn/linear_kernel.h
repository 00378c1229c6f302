#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

/// How a layer multiplies with its weight: chosen when the layer is made, and once more when its
/// weight is laid out anew, so that no call looks at devices or layouts. For several threads.
class LinearKernel {
 public:
  virtual ~LinearKernel() = default;
  /// x [..., in] -> x W^T + b [..., out].
  virtual at::Tensor run(const at::Tensor& x) const = 0;
  /// run(x) + residual; residual has the result's shape.
  virtual at::Tensor run_add(const at::Tensor& x, const at::Tensor& residual) const = 0;
};

/// With the layer's own parameters, on any device and in any dtype, also after they have been moved
/// (set_data()). Differentiable. WEIGHT [out, in] or [out, in, 1, 1]; BIAS [out] or undefined.
std::shared_ptr<const LinearKernel> dense_linear(const at::Tensor& weight, const at::Tensor& bias);

/// oneDNN's, where packed::available() says so. WEIGHT as above, any layer's; BIAS: its parameter.
/// No autograd.
std::shared_ptr<const LinearKernel> packed_linear(const at::Tensor& weight, const at::Tensor& bias);

}  // namespace latentsync::nn
