#include "core/nn/layers.h"

#include "core/nn/in_place.h"
#include "core/nn/interruption.h"
#include "core/nn/packed_ops.h"
#include "core/nn/parameter.h"
#include "kernels/conv3x3/conv3x3.h"
#include "kernels/group_norm/group_norm.h"

#include <optional>
#include <utility>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

namespace latentsync::nn {
namespace {

at::Tensor activated(at::Tensor x, Conv2d::Activation activation) {
  return activation == Conv2d::Activation::kRelu ? relu_into(std::move(x)) : x;
}

// What a convolution of x needs (core/nn/interruption.h). Without a bias nothing tells how many
// channels come out of a packed one: as many as go in, about.
double operations(const at::Tensor& x, const Conv2dOptions& options, const at::Tensor& bias) {
  const auto outputs = x.size(0) * x.size(2) * x.size(3) / (options.stride * options.stride);
  const auto channels = bias.defined() ? bias.size(0) : x.size(1);
  return 2. * static_cast<double>(options.kernel * options.kernel * x.size(1) * channels) *
         static_cast<double>(outputs);
}

}  // namespace

void release_weight(at::Tensor& weight) {
  weight.requires_grad_(false);
  weight.set_data(at::empty({0}, weight.options()));
}

at::Tensor to_tokens(const at::Tensor& x) {
  return x.permute({0, 2, 3, 1}).reshape({x.size(0), x.size(2) * x.size(3), x.size(1)});
}

at::Tensor from_tokens(const at::Tensor& tokens, int64_t height, int64_t width) {
  return tokens.reshape({tokens.size(0), height, width, tokens.size(2)}).permute({0, 3, 1, 2});
}

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias) {
  weight = register_parameter("weight", new_parameter({out_features, in_features}));
  if (with_bias) bias = register_parameter("bias", new_parameter({out_features}));
}

at::Tensor Linear::forward(const at::Tensor& x) {
  check_interruption();
  return packed_.defined() ? packed::linear(x, packed_, bias) : at::linear(x, weight, bias);
}

at::Tensor Linear::forward_add(const at::Tensor& x, const at::Tensor& residual) {
  check_interruption();
  return packed_.defined() ? packed::linear(x, packed_, bias, packed::Binary::kAdd, residual)
                           : add_into(at::linear(x, weight, bias), residual);
}

void Linear::pack() {
  if (weight.numel() == 0 || !packed::available(weight.device(), weight.scalar_type())) return;
  packed_ = packed::pack_linear(weight.detach());
  release_weight(weight);
}

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, Conv2dOptions options)
    : options_(options) {
  weight = register_parameter(
      "weight", new_parameter({out_channels, in_channels, options.kernel, options.kernel}));
  if (options.bias) bias = register_parameter("bias", new_parameter({out_channels}));
}

// Transformed, weights take four times the memory: little for a small network, too much for one
// that has most of them in a few wide layers.
bool Conv2d::filtered() const {
  constexpr int64_t kMostChannelPairs = 1 << 15;
  return options_.kernel == 3 && options_.stride == 1 && options_.padding == 1 &&
         weight.size(0) * weight.size(1) <= kMostChannelPairs && kernels::conv3x3_takes(weight);
}

at::Tensor Conv2d::forward(const at::Tensor& x, Activation activation) {
  check_interruption();
  if (pointwise()) {
    return activated(from_tokens(forward_tokens(to_tokens(x)), x.size(2), x.size(3)), activation);
  }
  if (matrices_.defined()) {
    return in_parts(x.size(0), operations(x, options_, bias), x.device(),
                    [&](int64_t begin, int64_t count) {
                      return kernels::conv3x3(x.narrow(0, begin, count), matrices_, bias, {},
                                              activation == Activation::kRelu);
                    });
  }
  const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
  if (packed_.defined()) {
    const auto result = in_parts(x.size(0), operations(x, options_, bias), x.device(),
                                 [&](int64_t begin, int64_t count) {
                                   return packed::conv2d(input.narrow(0, begin, count), packed_,
                                                         bias, options_.stride, options_.padding);
                                 });
    return activated(result, activation);
  }
  if (filtered()) {
    return activated(kernels::conv3x3_differentiable(input, weight, bias), activation);
  }
  return activated(at::conv2d(input, weight, bias, options_.stride, options_.padding)
                       .contiguous(at::MemoryFormat::ChannelsLast),
                   activation);
}

at::Tensor Conv2d::forward_add(const at::Tensor& x, const at::Tensor& residual,
                               Activation activation) {
  if (pointwise()) {
    return activated(
        from_tokens(forward_tokens_add(to_tokens(x), to_tokens(residual)), x.size(2), x.size(3)),
        activation);
  }
  if (matrices_.defined()) {
    return in_parts(x.size(0), operations(x, options_, bias), x.device(),
                    [&](int64_t begin, int64_t count) {
                      return kernels::conv3x3(x.narrow(0, begin, count), matrices_, bias,
                                              residual.narrow(0, begin, count),
                                              activation == Activation::kRelu);
                    });
  }
  // Not in oneDNN's convolution: with a binary post-operation it fails on some shapes.
  return activated(add_into(forward(x), residual), activation);
}

at::Tensor Conv2d::forward_tokens(const at::Tensor& x) {
  check_interruption();
  return packed_.defined() ? packed::linear(x, packed_, bias)
                           : at::linear(x, weight.flatten(1), bias);
}

at::Tensor Conv2d::forward_tokens_add(const at::Tensor& x, const at::Tensor& residual) {
  check_interruption();
  return packed_.defined() ? packed::linear(x, packed_, bias, packed::Binary::kAdd, residual)
                           : add_into(at::linear(x, weight.flatten(1), bias), residual);
}

void Conv2d::pack() {
  if (weight.numel() == 0) return;
  if (filtered()) {
    matrices_ = kernels::conv3x3_weights(weight.detach());
    release_weight(weight);
  } else if (packed::available(weight.device(), weight.scalar_type())) {
    at::Tensor dense = weight.detach();
    release_weight(weight);
    packed_ = pointwise()
                  ? packed::pack_linear(dense.flatten(1))
                  : packed::pack_conv2d(std::move(dense), options_.stride, options_.padding);
  } else if (weight.is_cuda()) {
    weight.set_data(weight.detach().contiguous(at::MemoryFormat::ChannelsLast));
  }
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double eps) : groups_(groups), eps_(eps) {
  weight = register_parameter("weight", new_parameter({channels}));
  bias = register_parameter("bias", new_parameter({channels}));
}

at::Tensor GroupNorm::forward(at::Tensor x, int64_t frames, bool silu, const at::Tensor& shift) {
  const auto shifts = shift.defined() ? std::optional(shift) : std::nullopt;
  if (may_overwrite(x) && x.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    return kernels::group_norm_(x, shifts, weight, bias, groups_, frames, eps_, silu);
  }
  return kernels::group_norm(x, shifts, weight, bias, groups_, frames, eps_, silu);
}

LayerNorm::LayerNorm(int64_t features) {
  weight = register_parameter("weight", new_parameter({features}));
  bias = register_parameter("bias", new_parameter({features}));
}

at::Tensor LayerNorm::forward(const at::Tensor& x) {
  return at::layer_norm(x, weight.sizes(), weight, bias);
}

}  // namespace latentsync::nn
