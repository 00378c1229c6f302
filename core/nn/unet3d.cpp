#include "core/nn/unet3d.h"

#include "core/device/transfer.h"
#include "core/error.h"

#include <cmath>
#include <sstream>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

namespace latentsync::nn {

at::Tensor timestep_encoding(int64_t timestep, int64_t channels) {
  return timestep_encodings(at::full({1}, timestep, at::kLong), channels);
}

at::Tensor timestep_encodings(const at::Tensor& timesteps, int64_t channels) {
  const auto half = channels / 2;
  const auto frequencies =
      at::exp(at::arange(half, at::kFloat) * (-std::log(10000.0) / static_cast<double>(half)));
  const auto steps = timesteps.is_cpu() ? timesteps : device::read_back(timesteps);
  const auto angles = steps.to(at::kFloat).unsqueeze(1) * frequencies;
  return at::cat({angles.cos(), angles.sin()}, 1);
}

// Parameter names linear_1, linear_2.
class UNet3D::TimeEmbedding : public Module {
 public:
  explicit TimeEmbedding(int64_t channels) : channels_(channels) {
    linear_1_ = register_module("linear_1", std::make_shared<Linear>(channels, 4 * channels));
    linear_2_ = register_module("linear_2", std::make_shared<Linear>(4 * channels, 4 * channels));
  }

  at::Tensor forward(const at::Tensor& timesteps, const at::TensorOptions& options) {
    const auto encoding = device::to_device(
        timestep_encodings(timesteps, channels_).to(c10::typeMetaToScalarType(options.dtype())),
        options.device());
    return linear_2_->forward(at::silu(linear_1_->forward(encoding)));
  }

 private:
  int64_t channels_;
  std::shared_ptr<Linear> linear_1_, linear_2_;
};

UNet3D::UNet3D(const UNet3DConfig& config) : config_(config) {
  const auto& widths = config.block_out_channels;
  const size_t stages = widths.size();
  conv_in_ =
      register_module("conv_in", std::make_shared<Conv2d>(config.in_channels, widths.front()));
  time_embedding_ =
      register_module("time_embedding", std::make_shared<TimeEmbedding>(widths.front()));

  std::vector<int64_t> skip_channels{widths.front()};
  down_blocks_ = register_module("down_blocks", std::make_shared<ModuleList<DownBlock>>());
  for (size_t i = 0; i < stages; ++i) {
    const UNetStageOptions stage{.in_channels = widths[i == 0 ? 0 : i - 1],
                                 .out_channels = widths[i],
                                 .layers = config.layers_per_block,
                                 .cross_attention = config.cross_attention_blocks[i],
                                 .motion = config.motion_down_blocks[i],
                                 .resample = i + 1 < stages};
    down_blocks_->push_back(std::make_shared<DownBlock>(stage, config));
    skip_channels.insert(skip_channels.end(), stage.layers + (stage.resample ? 1 : 0), widths[i]);
  }
  mid_block_ = register_module("mid_block", std::make_shared<MidBlock>(config));

  up_blocks_ = register_module("up_blocks", std::make_shared<ModuleList<UpBlock>>());
  for (size_t i = 0; i < stages; ++i) {
    const size_t mirrored = stages - 1 - i;
    const UNetStageOptions stage{.in_channels = widths[i == 0 ? mirrored : mirrored + 1],
                                 .out_channels = widths[mirrored],
                                 .layers = config.layers_per_block + 1,
                                 .cross_attention = config.cross_attention_blocks[mirrored],
                                 .motion = config.motion_up_blocks[i],
                                 .resample = i + 1 < stages};
    std::vector<int64_t> skips;
    for (int64_t layer = 0; layer < stage.layers; ++layer) {
      skips.push_back(skip_channels.back());
      skip_channels.pop_back();
    }
    up_blocks_->push_back(std::make_shared<UpBlock>(stage, skips, config));
  }
  conv_norm_out_ = register_module(
      "conv_norm_out",
      std::make_shared<GroupNorm>(config.norm_groups, widths.front(), config.norm_eps));
  conv_out_ =
      register_module("conv_out", std::make_shared<Conv2d>(widths.front(), config.out_channels));
}

namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

}  // namespace

void UNet3D::check_audio(const at::Tensor& audio, int64_t entries) const {
  if (audio.dim() == 3 && audio.size(0) == entries &&
      audio.size(2) == config_.cross_attention_dim) {
    return;
  }
  refuse("UNet3D: the audio features are ", audio.sizes(), ", expected [", entries, ", S, ",
         config_.cross_attention_dim, "]");
}

void UNet3D::check(const at::Tensor& sample, CacheUse use, const FeatureCache* cache) const {
  if (sample.dim() != 5 || sample.size(1) != config_.in_channels || sample.numel() == 0) {
    refuse("UNet3D: the sample is ", sample.sizes(), ", expected [B, ", config_.in_channels,
           ", F, H, W]");
  }
  const auto frames = sample.size(2);
  if (frames > config_.motion_max_frames) {
    refuse("UNet3D: ", frames, " frames in a window, the model supports ",
           config_.motion_max_frames, "; reduce window-frames");
  }
  if (use != CacheUse::kNone && cache == nullptr)
    refuse("UNet3D: a cached evaluation without a cache");
  if (use == CacheUse::kReuse &&
      (!cache->hidden.defined() || cache->hidden.size(0) != sample.size(0) * frames ||
       cache->hidden.size(2) != sample.size(3) || cache->hidden.size(3) != sample.size(4))) {
    refuse("UNet3D: the cached features are not those of a sample of ", sample.sizes());
  }
}

UNetContext UNet3D::make_context(const at::Tensor& sample, const at::Tensor& timesteps,
                                 const at::Tensor& encoder_hidden_states, AttentionMode attention) {
  const auto options = conv_in_->bias.options();
  const auto embedding = at::silu(time_embedding_->forward(timesteps, options));
  return {.frames = sample.size(2),
          .activated_time_embedding = embedding.expand({sample.size(0), embedding.size(1)}),
          .audio = encoder_hidden_states.to(options),
          .attention = attention,
          .mouth_regions = &mouth_regions_};
}

at::Tensor UNet3D::forward(const at::Tensor& sample, int64_t timestep,
                           const at::Tensor& encoder_hidden_states, CacheUse use,
                           FeatureCache* cache, AttentionMode attention,
                           const MemoryOptions& memory) {
  check(sample, use, cache);
  check_audio(encoder_hidden_states, sample.size(0) * sample.size(2));
  auto context =
      make_context(sample, at::full({1}, timestep, at::kLong), encoder_hidden_states, attention);
  context.memory = memory;
  return run(enter(sample), context, use, cache);
}

RunConstants UNet3D::constants(at::IntArrayRef timesteps, const at::Tensor& audio, int64_t batch) {
  check_audio(audio, audio.dim() == 3 ? audio.size(0) : 0);
  const auto options = conv_in_->bias.options();
  RunConstants made{
      .timesteps = timesteps.vec(),
      .audio = device::to_device(audio.to(conv_in_->bias.scalar_type()), options.device()),
      .batch = batch};
  const auto embedding = at::silu(time_embedding_->forward(at::tensor(timesteps), options));
  const auto parts = stages();
  for (size_t i = 0; i < parts.size(); ++i) {
    begin_stage(i);
    for (const auto& module : parts[i]->modules()) {
      if (auto* resnet = dynamic_cast<ResnetBlock*>(module.get())) {
        made.time_shifts[resnet] = resnet->time_shift(embedding).unsqueeze(1).repeat({1, batch, 1});
      } else if (auto* transformer = dynamic_cast<SpatialTransformer*>(module.get())) {
        made.audio_keys[transformer] = transformer->audio_keys(made.audio);
      }
    }
  }
  return made;
}

at::Tensor UNet3D::forward_step(const at::Tensor& sample, const RunConstants& constants,
                                int64_t step, bool conditioned, CacheUse use, FeatureCache* cache,
                                AttentionMode attention, const MemoryOptions& memory) {
  check(sample, use, cache);
  check_audio(constants.audio, sample.size(2));
  if (step < 0 || step >= static_cast<int64_t>(constants.timesteps.size()) ||
      sample.size(0) > constants.batch) {
    refuse("UNet3D: step ", step, " with a batch of ", sample.size(0), ", expected one of ",
           constants.timesteps.size(), " steps with a batch of ", constants.batch, " at most");
  }
  const UNetContext context{.frames = sample.size(2),
                            .constants = &constants,
                            .step = step,
                            .batch = sample.size(0),
                            .conditioned = conditioned,
                            .attention = attention,
                            .mouth_regions = &mouth_regions_,
                            .memory = memory};
  return run(enter(sample), context, use, cache);
}

at::Tensor UNet3D::forward_each(const at::Tensor& sample, const at::Tensor& timesteps,
                                const at::Tensor& encoder_hidden_states, AttentionMode attention,
                                bool motion) {
  check(sample, CacheUse::kNone, nullptr);
  check_audio(encoder_hidden_states, sample.size(0) * sample.size(2));
  if (timesteps.sizes() != at::IntArrayRef({sample.size(0)})) {
    throw Error(ErrorCode::kInvalidArgument, "UNet3D: one timestep for each batch entry is needed");
  }
  auto context = make_context(sample, timesteps, encoder_hidden_states, attention);
  context.motion = motion;
  return run(enter(sample), context, CacheUse::kNone, nullptr);
}

// [B, C, F, H, W] -> [B*F, C, H, W], through the first convolution
at::Tensor UNet3D::enter(const at::Tensor& sample) {
  const auto input =
      device::to_device(sample.to(conv_in_->bias.scalar_type()), conv_in_->bias.device());
  return conv_in_->forward(input.transpose(1, 2).flatten(0, 1));
}

std::vector<std::shared_ptr<Module>> UNet3D::stages() const {
  std::vector<std::shared_ptr<Module>> stages(down_blocks_->begin(), down_blocks_->end());
  stages.push_back(mid_block_);
  stages.insert(stages.end(), up_blocks_->begin(), up_blocks_->end());
  return stages;
}

void UNet3D::begin_stage(size_t stage) const {
  if (stage_hook_) stage_hook_(stage);
}

at::Tensor UNet3D::run(at::Tensor x, const UNetContext& context, CacheUse use,
                       FeatureCache* cache) {
  const auto& last_block = (*up_blocks_)[up_blocks_->size() - 1];
  size_t stage = 0;
  if (use == CacheUse::kReuse) {
    begin_stage(down_blocks_->size() + up_blocks_->size());
    return finish(last_block->forward_last_layer(cache->hidden, std::move(x), context),
                  context.frames);
  }
  std::vector<at::Tensor> skips{x};
  for (const auto& block : *down_blocks_) {
    begin_stage(stage++);
    x = block->forward(std::move(x), context, skips);
  }
  begin_stage(stage++);
  x = mid_block_->forward(std::move(x), context);
  for (size_t i = 0; i + 1 < up_blocks_->size(); ++i) {
    begin_stage(stage++);
    x = (*up_blocks_)[i]->forward(std::move(x), context, skips);
  }
  begin_stage(stage);
  x = last_block->forward_but_last_layer(std::move(x), context, skips);
  if (use == CacheUse::kStore) cache->hidden = x;
  auto skip = std::move(skips.back());
  skips.clear();
  x = last_block->forward_last_layer(std::move(x), std::move(skip), context);
  return finish(std::move(x), context.frames);
}

at::Tensor UNet3D::finish(at::Tensor x, int64_t frames) {
  x = conv_norm_out_->forward(std::move(x), frames, /*silu=*/true);
  const auto noise = conv_out_->forward(x);
  return noise.unflatten(0, {noise.size(0) / frames, frames}).transpose(1, 2).contiguous();
}

}  // namespace latentsync::nn
