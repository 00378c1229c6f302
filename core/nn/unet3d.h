#pragma once

#include "core/nn/config.h"
#include "core/nn/feature_cache.h"
#include "core/nn/memory_options.h"
#include "core/nn/run_constants.h"
#include "core/nn/unet_blocks.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace latentsync::nn {

/// LatentSync's noise predictor: Stable Diffusion 1.5's UNet over the frames of a window, with
/// motion modules and audio cross-attention. Parameter names are those of the published checkpoint
/// (source: latentsync/models/unet.py).
class UNet3D : public Module {
 public:
  explicit UNet3D(const UNet3DConfig& config);

  /// sample [B, in_channels, F, H, W]: noisy latents, mask, masked-image latents, reference
  /// latents. timestep: of the training schedule, the same for the whole batch.
  /// encoder_hidden_states [B*F, S, cross_attention_dim], b-major: audio features; zeros for the
  /// unconditional half. cache: needed unless use is kNone; a kReuse evaluation needs a kStore one
  /// of the same shapes before it. Returns the predicted noise [B, out_channels, F, H, W] in the
  /// parameters' dtype. Errors: kInvalidArgument where shapes do not fit the configuration, more
  /// frames than motion_max_frames included.
  at::Tensor forward(const at::Tensor& sample, int64_t timestep,
                     const at::Tensor& encoder_hidden_states, CacheUse use = CacheUse::kNone,
                     FeatureCache* cache = nullptr, AttentionMode attention = AttentionMode::kFlash,
                     const MemoryOptions& memory = {});

  /// What the evaluations of a denoising run share: time embeddings of its TIMESTEPS (of the
  /// training schedule, in the order of the steps) for batches of up to BATCH entries, and keys and
  /// values of AUDIO [F, S, cross_attention_dim]. Errors: kInvalidArgument where the audio does not
  /// fit.
  RunConstants constants(at::IntArrayRef timesteps, const at::Tensor& audio, int64_t batch);

  /// forward() at the step of that number of a run with these constants. conditioned: the last
  /// entry of the batch gets the run's audio; all others are as forward() with audio of zeros has
  /// them. Not differentiable in the constants.
  at::Tensor forward_step(const at::Tensor& sample, const RunConstants& constants, int64_t step,
                          bool conditioned, CacheUse use = CacheUse::kNone,
                          FeatureCache* cache = nullptr,
                          AttentionMode attention = AttentionMode::kFlash,
                          const MemoryOptions& memory = {});

  /// For training: timesteps int64 [B], one for each batch entry; without motion the motion modules
  /// are left out. All else as in forward().
  at::Tensor forward_each(const at::Tensor& sample, const at::Tensor& timesteps,
                          const at::Tensor& encoder_hidden_states, AttentionMode attention,
                          bool motion);

  const UNet3DConfig& config() const { return config_; }

  /// The parts that are evaluated one after the other: the down blocks, the mid block, the up
  /// blocks.
  std::vector<std::shared_ptr<Module>> stages() const;
  /// HOOK(i) is called before work that reads weights of stage number i is launched, in each
  /// evaluation and for its constants; what it throws ends them. Empty: none.
  void set_stage_hook(std::function<void(size_t)> hook) { stage_hook_ = std::move(hook); }

 private:
  class TimeEmbedding;

  UNetContext make_context(const at::Tensor& sample, const at::Tensor& timesteps,
                           const at::Tensor& encoder_hidden_states, AttentionMode attention);
  at::Tensor enter(const at::Tensor& sample);
  at::Tensor run(at::Tensor x, const UNetContext& context, CacheUse use, FeatureCache* cache);
  at::Tensor finish(at::Tensor x, int64_t frames);
  void check(const at::Tensor& sample, CacheUse use, const FeatureCache* cache) const;
  void check_audio(const at::Tensor& audio, int64_t entries) const;

  void begin_stage(size_t stage) const;

  UNet3DConfig config_;
  std::function<void(size_t)> stage_hook_;
  MouthRegions mouth_regions_;
  std::shared_ptr<Conv2d> conv_in_, conv_out_;
  std::shared_ptr<TimeEmbedding> time_embedding_;
  std::shared_ptr<ModuleList<DownBlock>> down_blocks_;
  std::shared_ptr<MidBlock> mid_block_;
  std::shared_ptr<ModuleList<UpBlock>> up_blocks_;
  std::shared_ptr<GroupNorm> conv_norm_out_;
};

/// [cos, sin] of timestep * 10000^(-k / (channels/2)): float32 [1, channels].
at::Tensor timestep_encoding(int64_t timestep, int64_t channels);

/// The same for int64 [B]: float32 [B, channels], in system memory.
at::Tensor timestep_encodings(const at::Tensor& timesteps, int64_t channels);

}  // namespace latentsync::nn
