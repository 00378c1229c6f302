#include "core/face/layers.h"

#include "core/nn/parameter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/prelu.h>
#include <ATen/ops/relu.h>

namespace latentsync::face {

Convolution::Convolution(int64_t in_channels, int64_t out_channels, ConvolutionOptions options)
    : options_(options) {
  const auto inputs = options.depthwise ? 1 : in_channels;
  weight = register_parameter(
      "weight", nn::new_parameter({out_channels, inputs, options.kernel, options.kernel}));
  bias = register_parameter("bias", nn::new_parameter({out_channels}));
}

at::Tensor Convolution::forward(const at::Tensor& x) {
  auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
  auto [before, after] = options_.padding;
  if (before != after) {
    input = at::constant_pad_nd(input, {before, after, before, after});
    before = 0;
  }
  return at::conv2d(input, weight, bias, options_.stride, before, /*dilation=*/1,
                    options_.depthwise ? weight.size(0) : 1);
}

std::shared_ptr<Convolution> depthwise(int64_t channels, int64_t stride, Padding padding) {
  return std::make_shared<Convolution>(
      channels, channels,
      ConvolutionOptions{.stride = stride, .padding = padding, .depthwise = true});
}

std::shared_ptr<nn::Conv2d> pointwise(int64_t in_channels, int64_t out_channels) {
  return std::make_shared<nn::Conv2d>(in_channels, out_channels,
                                      nn::Conv2dOptions{.kernel = 1, .padding = 0});
}

ParametricRelu::ParametricRelu(int64_t channels) {
  weight = register_parameter("weight", nn::new_parameter({channels}));
}

at::Tensor ParametricRelu::forward(const at::Tensor& x) { return at::prelu(x, weight); }

SeparableBlock::SeparableBlock(int64_t in_channels, int64_t out_channels, int64_t stride,
                               bool parametric)
    : stride_(stride), new_channels_(out_channels - in_channels) {
  depthwise_ =
      register_module("depthwise", depthwise(in_channels, stride, same_padding(3, stride)));
  pointwise_ = register_module("pointwise", pointwise(in_channels, out_channels));
  if (parametric) {
    activation_ = register_module("activation", std::make_shared<ParametricRelu>(out_channels));
  }
}

at::Tensor SeparableBlock::forward(const at::Tensor& x) {
  auto shortcut = stride_ > 1 ? at::max_pool2d(x, stride_) : x;
  if (new_channels_ > 0) {
    shortcut = at::constant_pad_nd(shortcut, {0, 0, 0, 0, 0, new_channels_});
  }
  const auto sum = pointwise_->forward_add(depthwise_->forward(x), shortcut);
  return activation_ ? activation_->forward(sum) : at::relu(sum);
}

}  // namespace latentsync::face
