#include "core/nn/unet_blocks.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_nearest2d.h>

namespace latentsync::nn {
namespace {

std::shared_ptr<ResnetBlock> make_resnet(int64_t in, int64_t out, const UNet3DConfig& config) {
  return std::make_shared<ResnetBlock>(ResnetBlockOptions{
      .in_channels = in,
      .out_channels = out,
      .time_embedding_channels = 4 * config.block_out_channels.front(),
      .groups = config.norm_groups,
      .eps = config.norm_eps,
  });
}

std::shared_ptr<SpatialTransformer> make_attention(int64_t channels, const UNet3DConfig& config) {
  return std::make_shared<SpatialTransformer>(channels, config.cross_attention_dim,
                                              config.attention_heads, config.norm_groups);
}

std::shared_ptr<MotionModule> make_motion(int64_t channels, const UNet3DConfig& config) {
  return std::make_shared<MotionModule>(MotionModuleOptions{
      .channels = channels,
      .heads = config.motion_heads,
      .transformer_blocks = config.motion_transformer_blocks,
      .attentions = config.motion_attentions,
      .max_frames = config.motion_max_frames,
  });
}

// Makes a stage's layers and registers them under the reference's names.
std::vector<UNetLayer> make_layers(torch::nn::Module& stage_module, const UNetStageOptions& stage,
                                   const std::vector<int64_t>& in_channels,
                                   const UNet3DConfig& config) {
  const auto resnets = std::make_shared<ModuleList<ResnetBlock>>();
  const auto attentions = std::make_shared<ModuleList<SpatialTransformer>>();
  const auto motions = std::make_shared<ModuleList<MotionModule>>();
  std::vector<UNetLayer> layers;
  for (const auto in : in_channels) {
    UNetLayer layer{make_resnet(in, stage.out_channels, config), nullptr, nullptr};
    if (stage.cross_attention) layer.attention = make_attention(stage.out_channels, config);
    if (stage.motion) layer.motion = make_motion(stage.out_channels, config);
    resnets->push_back(layer.resnet);
    attentions->push_back(layer.attention);
    motions->push_back(layer.motion);
    layers.push_back(std::move(layer));
  }
  stage_module.register_module("resnets", resnets);
  if (stage.cross_attention) stage_module.register_module("attentions", attentions);
  if (stage.motion) stage_module.register_module("motion_modules", motions);
  return layers;
}

std::shared_ptr<Resampler> add_resampler(torch::nn::Module& stage_module, const char* name,
                                         int64_t channels, int64_t stride) {
  const auto resampler = std::make_shared<Resampler>(channels, stride);
  stage_module.register_module(name, std::make_shared<ModuleList<Resampler>>())
      ->push_back(resampler);
  return resampler;
}

}  // namespace

at::Tensor UNetLayer::forward(const at::Tensor& x, const UNetContext& context) const {
  auto h = resnet->forward(x, context.activated_time_embedding, context.frames);
  if (attention)
    h = attention->forward(h, context.audio, context.attention, *context.mouth_regions);
  if (motion && context.motion) h = motion->forward(h, context.frames, context.attention);
  return h;
}

Resampler::Resampler(int64_t channels, int64_t stride) {
  conv_ = register_module(
      "conv", std::make_shared<Conv2d>(channels, channels, Conv2dOptions{.stride = stride}));
}

at::Tensor Resampler::forward(const at::Tensor& x) { return conv_->forward(x); }

DownBlock::DownBlock(const UNetStageOptions& stage, const UNet3DConfig& config) {
  std::vector<int64_t> in_channels(stage.layers, stage.out_channels);
  in_channels.front() = stage.in_channels;
  layers_ = make_layers(*this, stage, in_channels, config);
  if (stage.resample) downsampler_ = add_resampler(*this, "downsamplers", stage.out_channels, 2);
}

at::Tensor DownBlock::forward(at::Tensor x, const UNetContext& context,
                              std::vector<at::Tensor>& skips) {
  for (const auto& layer : layers_) {
    x = layer.forward(x, context);
    skips.push_back(x);
  }
  if (downsampler_) {
    x = downsampler_->forward(x);
    skips.push_back(x);
  }
  return x;
}

MidBlock::MidBlock(const UNet3DConfig& config) {
  const auto channels = config.block_out_channels.back();
  const auto resnets = register_module("resnets", std::make_shared<ModuleList<ResnetBlock>>());
  first_ = make_resnet(channels, channels, config);
  second_ = make_resnet(channels, channels, config);
  resnets->push_back(first_);
  resnets->push_back(second_);
  attention_ = make_attention(channels, config);
  register_module("attentions", std::make_shared<ModuleList<SpatialTransformer>>())
      ->push_back(attention_);
  if (config.motion_mid_block) {
    motion_ = make_motion(channels, config);
    register_module("motion_modules", std::make_shared<ModuleList<MotionModule>>())
        ->push_back(motion_);
  }
}

at::Tensor MidBlock::forward(const at::Tensor& x, const UNetContext& context) {
  auto h = first_->forward(x, context.activated_time_embedding, context.frames);
  h = attention_->forward(h, context.audio, context.attention, *context.mouth_regions);
  if (motion_ && context.motion) h = motion_->forward(h, context.frames, context.attention);
  return second_->forward(h, context.activated_time_embedding, context.frames);
}

UpBlock::UpBlock(const UNetStageOptions& stage, const std::vector<int64_t>& skip_channels,
                 const UNet3DConfig& config) {
  std::vector<int64_t> in_channels;
  for (const auto skip : skip_channels) {
    in_channels.push_back((in_channels.empty() ? stage.in_channels : stage.out_channels) + skip);
  }
  layers_ = make_layers(*this, stage, in_channels, config);
  if (stage.resample) upsampler_ = add_resampler(*this, "upsamplers", stage.out_channels, 1);
}

at::Tensor UpBlock::forward(at::Tensor x, const UNetContext& context,
                            std::vector<at::Tensor>& skips) {
  x = forward_but_last_layer(x, context, skips);
  x = forward_last_layer(x, skips.back(), context);
  skips.pop_back();
  if (upsampler_) {
    const auto& next = skips.back();
    x = upsampler_->forward(at::upsample_nearest2d(x, {next.size(2), next.size(3)}));
  }
  return x;
}

at::Tensor UpBlock::forward_but_last_layer(at::Tensor x, const UNetContext& context,
                                           std::vector<at::Tensor>& skips) {
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    x = layers_[i].forward(at::cat({x, skips.back()}, 1), context);
    skips.pop_back();
  }
  return x;
}

at::Tensor UpBlock::forward_last_layer(const at::Tensor& x, const at::Tensor& skip,
                                       const UNetContext& context) {
  return layers_.back().forward(at::cat({x, skip}, 1), context);
}

}  // namespace latentsync::nn
