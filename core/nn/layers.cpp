#include "core/nn/layers.h"

#include "core/nn/in_place.h"
#include "core/nn/interruption.h"
#include "core/nn/packed_ops.h"
#include "core/nn/parameter.h"
#include "kernels/group_norm/group_norm.h"

#include <optional>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>

namespace latentsync::nn {

void release_weight(at::Tensor& weight) {
  weight.requires_grad_(false);
  weight.set_data(at::empty({0}, weight.options()));
}

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias) {
  weight = register_parameter("weight", new_parameter({out_features, in_features}));
  if (with_bias) bias = register_parameter("bias", new_parameter({out_features}));
  kernel_ = dense_linear(weight, bias);
}

at::Tensor Linear::forward(const at::Tensor& x) {
  check_interruption();
  return kernel_->run(x);
}

at::Tensor Linear::forward_add(const at::Tensor& x, const at::Tensor& residual) {
  check_interruption();
  return kernel_->run_add(x, residual);
}

void Linear::pack() {
  if (weight.numel() == 0 || !packed::available(weight.device(), weight.scalar_type())) return;
  kernel_ = packed_linear(weight.detach(), bias);
  release_weight(weight);
}

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, Conv2dOptions options)
    : options_(options) {
  weight = register_parameter(
      "weight", new_parameter({out_channels, in_channels, options.kernel, options.kernel}));
  if (options.bias) bias = register_parameter("bias", new_parameter({out_channels}));
  if (pointwise()) {
    multiply_with(dense_linear(weight, bias));
  } else {
    kernel_ = dense_conv(weight, bias, options_);
  }
}

void Conv2d::multiply_with(std::shared_ptr<const LinearKernel> tokens) {
  tokens_ = std::move(tokens);
  kernel_ = pointwise_conv(tokens_);
}

at::Tensor Conv2d::forward(const at::Tensor& x, Activation activation) {
  check_interruption();
  return kernel_->run(x, activation);
}

at::Tensor Conv2d::forward_add(const at::Tensor& x, const at::Tensor& residual,
                               Activation activation) {
  check_interruption();
  return kernel_->run_add(x, residual, activation);
}

at::Tensor Conv2d::forward_tokens(const at::Tensor& x) {
  check_interruption();
  return tokens_->run(x);
}

at::Tensor Conv2d::forward_tokens_add(const at::Tensor& x, const at::Tensor& residual) {
  check_interruption();
  return tokens_->run_add(x, residual);
}

void Conv2d::choose_for_training() {
  if (pointwise() || weight.numel() == 0) return;
  kernel_ = takes_filtered_conv(weight, options_) ? filtered_dense_conv(weight, bias)
                                                  : dense_conv(weight, bias, options_);
}

void Conv2d::pack() {
  if (weight.numel() == 0) return;
  at::Tensor dense = weight.detach();
  if (takes_filtered_conv(dense, options_)) {
    kernel_ = filtered_conv(dense, bias, options_);
    release_weight(weight);
  } else if (packed::available(weight.device(), weight.scalar_type())) {
    release_weight(weight);
    if (pointwise()) {
      multiply_with(packed_linear(dense, bias));
    } else {
      kernel_ = packed_conv(std::move(dense), bias, options_);
    }
  } else if (weight.is_cuda()) {
    weight.set_data(dense.contiguous(at::MemoryFormat::ChannelsLast));
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
