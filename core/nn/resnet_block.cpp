#include "core/nn/resnet_block.h"

#include <utility>

namespace latentsync::nn {

ResnetBlock::ResnetBlock(const ResnetBlockOptions& options)
    : groups_(options.groups), eps_(options.eps) {
  const auto& [in, out, time_channels, groups, eps] = options;
  norm1_ = register_module("norm1", std::make_shared<GroupNorm>(groups, in, eps));
  conv1_ = register_module("conv1", std::make_shared<Conv2d>(in, out));
  if (time_channels > 0) {
    time_emb_proj_ = register_module("time_emb_proj", std::make_shared<Linear>(time_channels, out));
  }
  norm2_ = register_module("norm2", std::make_shared<GroupNorm>(groups, out, eps));
  conv2_ = register_module("conv2", std::make_shared<Conv2d>(out, out));
  if (in != out) {
    conv_shortcut_ = register_module(
        "conv_shortcut",
        std::make_shared<Conv2d>(in, out, Conv2dOptions{.kernel = 1, .padding = 0}));
  }
}

at::Tensor ResnetBlock::time_shift(const at::Tensor& activated_time_embedding) const {
  return time_emb_proj_->forward(activated_time_embedding);
}

at::Tensor ResnetBlock::forward(at::Tensor x, const at::Tensor& time_shift, int64_t frames) {
  // The shortcut first: behind it x is read by norm1 alone.
  const auto shortcut = conv_shortcut_ ? conv_shortcut_->forward(x) : x;
  auto h = norm1_->forward(std::move(x), frames, /*silu=*/true);
  h = conv1_->forward(h);
  h = norm2_->forward(std::move(h), frames, /*silu=*/true, time_shift);
  return conv2_->forward_add(h, shortcut);
}

at::Tensor ResnetBlock::first_half(const at::Tensor& x, const GroupMoments& norm1) {
  return conv1_->forward(norm1.normalise(x, norm1_->weight, norm1_->bias, eps_, /*silu=*/true));
}

at::Tensor ResnetBlock::second_half(at::Tensor h, const at::Tensor& x, const GroupMoments& norm2) {
  h = norm2.normalise(std::move(h), norm2_->weight, norm2_->bias, eps_, /*silu=*/true);
  return conv2_->forward_add(h, conv_shortcut_ ? conv_shortcut_->forward(x) : x);
}

}  // namespace latentsync::nn
