#include "core/nn/layers.h"
#include "core/nn/packed_ops.h"
#include "core/nn/prepare.h"
#include "kernels/conv3x3/conv3x3.h"
#include "tests/support/compare.h"

#include <cstdint>
#include <memory>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/relu.h>
#include <gtest/gtest.h>

/// Which kernel a layer computes with, told by the bits of its results.
namespace latentsync::nn {
namespace {

constexpr int64_t kChannels = 32;
constexpr auto kLast = at::MemoryFormat::ChannelsLast;
using Activation = Conv2d::Activation;

std::shared_ptr<Conv2d> convolution(Conv2dOptions options = {}) {
  auto layer = std::make_shared<Conv2d>(kChannels, kChannels, options);
  initialise_parameters(*layer, 1);
  return layer;
}

at::Tensor picture() { return at::randn({2, kChannels, 16, 16}).contiguous(kLast); }

// A layer that has been moved computes with the weight as it is now.
TEST(LayerKernels, DenseOnesFollowTheirWeight) {
  const at::NoGradGuard no_grad;
  const auto layer = convolution();
  layer->to(at::kDouble);
  const auto x = picture().to(at::kDouble);
  EXPECT_TRUE(layer->forward(x).equal(at::conv2d(x, layer->weight, layer->bias, 1, 1)));
  layer->weight.set_data(layer->weight * 2);
  EXPECT_TRUE(layer->forward(x).equal(at::conv2d(x, layer->weight, layer->bias, 1, 1)));

  const auto multiply = std::make_shared<Linear>(kChannels, 8);
  initialise_parameters(*multiply, 2);
  multiply->to(at::kDouble);
  const auto rows = at::randn({5, kChannels}, at::kDouble);
  EXPECT_TRUE(multiply->forward(rows).equal(at::linear(rows, multiply->weight, multiply->bias)));
}

// Networks that are trained on a CPU have the kernel that is quicker there, after a move as well as
// before, and the one of every device where it cannot be had.
TEST(LayerKernels, TrainingHasTheQuickestForWhereTheWeightIs) {
  const auto layer = convolution();
  const auto x = picture();
  const auto filtered = [&] {
    return kernels::conv3x3_differentiable(x, layer->weight, layer->bias);
  };
  EXPECT_FALSE(layer->forward(x).equal(filtered()));
  prepare_for_training(*layer);
  EXPECT_TRUE(layer->forward(x).equal(filtered()));
  layer->forward(x).sum().backward();
  EXPECT_TRUE(layer->weight.grad().defined());

  layer->to(at::kDouble);
  prepare_for_training(*layer);
  const auto wide = x.to(at::kDouble);
  EXPECT_TRUE(layer->forward(wide).equal(at::conv2d(wide, layer->weight, layer->bias, 1, 1)));
  layer->to(at::kFloat);
  prepare_for_training(*layer);
  EXPECT_TRUE(layer->forward(x).equal(filtered()));
}

TEST(LayerKernels, PackedFilteredConvolution) {
  const at::NoGradGuard no_grad;
  const auto layer = convolution();
  prepare_for_training(*layer);
  const auto weights = kernels::conv3x3_weights(layer->weight.detach());
  prepare_for_inference(*layer);
  const auto x = picture(), residual = picture();
  EXPECT_TRUE(layer->forward(x).equal(kernels::conv3x3(x, weights, layer->bias)));
  EXPECT_TRUE(layer->forward(x, Activation::kRelu)
                  .equal(kernels::conv3x3(x, weights, layer->bias, {}, true)));
  EXPECT_TRUE(layer->forward_add(x, residual, Activation::kRelu)
                  .equal(kernels::conv3x3(x, weights, layer->bias, residual, true)));
  EXPECT_EQ(layer->weight.numel(), 0);
}

TEST(LayerKernels, PackedConvolution) {
  if (!packed::available(c10::kCPU, at::kFloat)) GTEST_SKIP() << "nothing is packed here";
  const at::NoGradGuard no_grad;
  const auto layer = convolution({.stride = 2});
  const auto weight = packed::pack_conv2d(layer->weight.detach().clone(), 2, 1);
  prepare_for_inference(*layer);
  const auto x = picture();
  const auto expected = packed::conv2d(x, weight, layer->bias, 2, 1);
  const auto residual = at::randn_like(expected);
  EXPECT_TRUE(layer->forward(x).equal(expected));
  EXPECT_TRUE(
      layer->forward_add(x, residual, Activation::kRelu).equal(at::relu(expected + residual)));
}

TEST(LayerKernels, PackedProducts) {
  if (!packed::available(c10::kCPU, at::kFloat)) GTEST_SKIP() << "nothing is packed here";
  const at::NoGradGuard no_grad;
  const auto layer = convolution({.kernel = 1, .padding = 0});
  const auto weight = packed::pack_linear(layer->weight.detach().flatten(1));
  prepare_for_inference(*layer);
  const auto tokens = at::randn({2, 9, kChannels}), residual = at::randn({2, 9, kChannels});
  const auto expected = packed::linear(tokens, weight, layer->bias);
  const auto sum = packed::linear(tokens, weight, layer->bias, packed::Binary::kAdd, residual);
  EXPECT_TRUE(layer->forward_tokens(tokens).equal(expected));
  EXPECT_TRUE(layer->forward_tokens_add(tokens, residual).equal(sum));
  const auto as_picture = [](const at::Tensor& rows) {
    return rows.view({2, 3, 3, kChannels}).permute({0, 3, 1, 2});
  };
  EXPECT_TRUE(layer->forward(as_picture(tokens)).equal(as_picture(expected)));
  EXPECT_TRUE(layer->forward_add(as_picture(tokens), as_picture(residual), Activation::kRelu)
                  .equal(at::relu(as_picture(sum))));
}

}  // namespace
}  // namespace latentsync::nn
