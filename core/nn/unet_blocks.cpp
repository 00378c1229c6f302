#include "core/nn/unet_blocks.h"

#include <utility>

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
std::vector<UNetLayer> make_layers(Module& stage_module, const UNetStageOptions& stage,
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

std::shared_ptr<Resampler> add_resampler(Module& stage_module, const char* name, int64_t channels,
                                         int64_t stride) {
  const auto resampler = std::make_shared<Resampler>(channels, stride);
  stage_module.register_module(name, std::make_shared<ModuleList<Resampler>>())
      ->push_back(resampler);
  return resampler;
}

at::Tensor over_space(SpatialTransformer& attention, const at::Tensor& x,
                      const UNetContext& context) {
  return attention.forward(x, context.audio_keys(attention), context.attention,
                           *context.mouth_regions, context.memory);
}

at::Tensor over_frames(MotionModule& motion, const at::Tensor& x, const UNetContext& context) {
  return motion.forward(x, context.frames, context.attention, context.memory);
}

at::Tensor take_last(std::vector<at::Tensor>& skips) {
  auto skip = std::move(skips.back());
  skips.pop_back();
  return skip;
}

// Both let go of before LAYER runs.
at::Tensor forward_with_skip(const UNetLayer& layer, at::Tensor x, at::Tensor skip,
                             const UNetContext& context) {
  auto both = at::cat({x, skip}, 1);
  x.reset();
  skip.reset();
  return layer.forward(std::move(both), context);
}

}  // namespace

at::Tensor UNetContext::time_shift(const ResnetBlock& resnet) const {
  return constants == nullptr
             ? resnet.time_shift(activated_time_embedding)
             : constants->time_shifts.at(&resnet).select(0, step).narrow(0, 0, batch);
}

KeysAndValues UNetContext::audio_keys(SpatialTransformer& transformer) const {
  if (constants == nullptr) return transformer.audio_keys(audio);
  return conditioned ? constants->audio_keys.at(&transformer) : KeysAndValues();
}

at::Tensor UNetLayer::forward(at::Tensor x, const UNetContext& context) const {
  x = resnet->forward(std::move(x), context.time_shift(*resnet), context.frames);
  if (attention) x = over_space(*attention, x, context);
  if (motion && context.motion) x = over_frames(*motion, x, context);
  return x;
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
    x = layer.forward(std::move(x), context);
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

at::Tensor MidBlock::forward(at::Tensor x, const UNetContext& context) {
  x = first_->forward(std::move(x), context.time_shift(*first_), context.frames);
  x = over_space(*attention_, x, context);
  if (motion_ && context.motion) x = over_frames(*motion_, x, context);
  return second_->forward(std::move(x), context.time_shift(*second_), context.frames);
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
  x = forward_but_last_layer(std::move(x), context, skips);
  x = forward_last_layer(std::move(x), take_last(skips), context);
  if (upsampler_) {
    const auto& next = skips.back();
    x = at::upsample_nearest2d(x, {next.size(2), next.size(3)});
    x = upsampler_->forward(x);
  }
  return x;
}

at::Tensor UpBlock::forward_but_last_layer(at::Tensor x, const UNetContext& context,
                                           std::vector<at::Tensor>& skips) {
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    x = forward_with_skip(layers_[i], std::move(x), take_last(skips), context);
  }
  return x;
}

at::Tensor UpBlock::forward_last_layer(at::Tensor x, at::Tensor skip, const UNetContext& context) {
  return forward_with_skip(layers_.back(), std::move(x), std::move(skip), context);
}

}  // namespace latentsync::nn
