#pragma once

#include "core/nn/layers.h"
#include "core/nn/module.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

/// The layers of MediaPipe's face networks. Activations are [N, C, H, W] in channels-last memory.
namespace latentsync::face {

/// Zeros around an image, the same number on both axes.
struct Padding {
  int64_t before = 0;  ///< at the left and at the top
  int64_t after = 0;   ///< at the right and at the bottom
};

/// TensorFlow's "SAME" padding of an image whose edge is a multiple of the stride.
constexpr Padding same_padding(int64_t kernel, int64_t stride) {
  const int64_t total = kernel - stride;
  return {total / 2, total - total / 2};
}

struct ConvolutionOptions {
  int64_t kernel = 3;
  int64_t stride = 1;
  Padding padding = {1, 1};
  bool depthwise = false;  ///< each channel by itself; as many channels out as in
};

/// 2D convolution that can pad asymmetrically. weight [out, in or 1, k, k], bias [out].
class Convolution : public nn::Module {
 public:
  Convolution(int64_t in_channels, int64_t out_channels, ConvolutionOptions options = {});
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;
  at::Tensor bias;

 private:
  ConvolutionOptions options_;
};

std::shared_ptr<Convolution> depthwise(int64_t channels, int64_t stride, Padding padding);
std::shared_ptr<nn::Conv2d> pointwise(int64_t in_channels, int64_t out_channels);

/// ReLU with a slope below zero for each channel. weight [C].
class ParametricRelu : public nn::Module {
 public:
  explicit ParametricRelu(int64_t channels);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;
};

/// x [N, in, H, W] -> activation(pointwise(depthwise(x)) + shortcut(x)) [N, out, H/stride,
/// W/stride], out >= in. The shortcut takes the maximum of each stride x stride field and adds
/// channels of zeros. Parameter names: depthwise, pointwise, activation.
class SeparableBlock : public nn::Module {
 public:
  /// parametric: the activation has slopes; else it is ReLU.
  SeparableBlock(int64_t in_channels, int64_t out_channels, int64_t stride, bool parametric);
  at::Tensor forward(const at::Tensor& x);

 private:
  int64_t stride_;
  int64_t new_channels_;
  std::shared_ptr<Convolution> depthwise_;
  std::shared_ptr<nn::Conv2d> pointwise_;
  std::shared_ptr<ParametricRelu> activation_;
};

}  // namespace latentsync::face
