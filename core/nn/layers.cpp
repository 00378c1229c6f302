#include "core/nn/layers.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

namespace latentsync::nn {

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias) {
  weight = register_parameter("weight", at::empty({out_features, in_features}));
  if (with_bias) bias = register_parameter("bias", at::empty({out_features}));
}

at::Tensor Linear::forward(const at::Tensor& x) { return at::linear(x, weight, bias); }

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, Conv2dOptions options)
    : options_(options) {
  weight = register_parameter(
      "weight", at::empty({out_channels, in_channels, options.kernel, options.kernel}));
  if (options.bias) bias = register_parameter("bias", at::empty({out_channels}));
}

at::Tensor Conv2d::forward(const at::Tensor& x) {
  return at::conv2d(x.contiguous(at::MemoryFormat::ChannelsLast), weight, bias, options_.stride,
                    options_.padding)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double eps) : groups_(groups), eps_(eps) {
  weight = register_parameter("weight", at::empty({channels}));
  bias = register_parameter("bias", at::empty({channels}));
}

at::Tensor GroupNorm::forward(const at::Tensor& x, int64_t frames, bool silu) {
  const auto channels = x.size(1);
  at::Tensor y;
  if (frames == 1) {
    y = at::group_norm(x, groups_, weight, bias, eps_);
  } else {
    // [B*F, C, H, W] -> [B, C, F, H, W]: the statistics run over the frames too.
    const auto batch = x.size(0) / frames;
    y = at::group_norm(x.reshape({batch, frames, channels, x.size(2), x.size(3)}).transpose(1, 2),
                       groups_, weight, bias, eps_)
            .transpose(1, 2)
            .reshape(x.sizes());
  }
  y = y.contiguous(at::MemoryFormat::ChannelsLast);
  return silu ? at::silu(y) : y;
}

LayerNorm::LayerNorm(int64_t features) {
  weight = register_parameter("weight", at::empty({features}));
  bias = register_parameter("bias", at::empty({features}));
}

at::Tensor LayerNorm::forward(const at::Tensor& x) {
  return at::layer_norm(x, weight.sizes(), weight, bias);
}

}  // namespace latentsync::nn
