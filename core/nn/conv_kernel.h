#pragma once

#include "core/nn/linear_kernel.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

struct Conv2dOptions {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 1;
  bool bias = true;
};

enum class ConvActivation { kNone, kRelu };

/// How a layer convolves: chosen when the layer is made, and once more when its weight is laid out
/// for training or for inference, so that no call looks at devices or layouts. For several threads.
class ConvKernel {
 public:
  virtual ~ConvKernel() = default;
  /// x [N, in, H, W] -> activation(conv(x)) [N, out, H', W'], channels-last.
  virtual at::Tensor run(const at::Tensor& x, ConvActivation activation) const = 0;
  /// activation(conv(x) + residual); residual has the result's shape.
  virtual at::Tensor run_add(const at::Tensor& x, const at::Tensor& residual,
                             ConvActivation activation) const;
};

/// With the layer's own parameters, on any device and in any dtype, also after they have been moved
/// (set_data()). Differentiable. WEIGHT [out, in, k, k]; BIAS [out] or undefined, here and below.
std::shared_ptr<const ConvKernel> dense_conv(const at::Tensor& weight, const at::Tensor& bias,
                                             const Conv2dOptions& options);

/// A 1x1 convolution as the product of its tokens with the weight.
std::shared_ptr<const ConvKernel> pointwise_conv(std::shared_ptr<const LinearKernel> linear);

/// Whether kernels::conv3x3 is for this layer: a CPU, float32, and few weights.
bool takes_filtered_conv(const at::Tensor& weight, const Conv2dOptions& options);
/// kernels::conv3x3_differentiable with the layer's own parameters, which must stay as they are.
std::shared_ptr<const ConvKernel> filtered_dense_conv(const at::Tensor& weight,
                                                      const at::Tensor& bias);
/// kernels::conv3x3, whose matrices are made here. No autograd.
std::shared_ptr<const ConvKernel> filtered_conv(const at::Tensor& weight, const at::Tensor& bias,
                                                const Conv2dOptions& options);

/// oneDNN's, where packed::available() says so. A caller that moves its only reference to WEIGHT in
/// is spared a third copy of it. No autograd.
std::shared_ptr<const ConvKernel> packed_conv(at::Tensor weight, const at::Tensor& bias,
                                              const Conv2dOptions& options);

}  // namespace latentsync::nn
