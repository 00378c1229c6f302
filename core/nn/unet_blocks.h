#pragma once

#include "core/nn/config.h"
#include "core/nn/memory_options.h"
#include "core/nn/motion_module.h"
#include "core/nn/resnet_block.h"
#include "core/nn/run_constants.h"
#include "core/nn/transformer_block.h"

#include <cstdint>
#include <memory>
#include <vector>

/// The stages of UNet3D (source: latentsync/models/unet_blocks.py).
/// Activations are [B*F, C, H, W] channels-last, b-major.
namespace latentsync::nn {

/// What every layer of one evaluation sees.
struct UNetContext {
  int64_t frames = 1;  ///< F

  /// Of an evaluation by itself: SiLU of the time embedding [B, 4 * block_out_channels[0]], and
  /// audio [B*F, S, cross_attention_dim].
  at::Tensor activated_time_embedding;
  at::Tensor audio;

  /// Of a step of a denoising run, in place of the two: its constants, the step's number, the
  /// entries of the batch B, and whether the last one of them is conditioned on the audio; the
  /// others never are.
  const RunConstants* constants = nullptr;
  int64_t step = 0;
  int64_t batch = 1;
  bool conditioned = true;

  AttentionMode attention = AttentionMode::kFlash;
  MouthRegions* mouth_regions = nullptr;  ///< never null in an evaluation
  bool motion = true;                     ///< false: motion modules are left out
  MemoryOptions memory;

  at::Tensor time_shift(const ResnetBlock& resnet) const;           ///< [B, out]
  KeysAndValues audio_keys(SpatialTransformer& transformer) const;  ///< as forward() takes them
};

/// One resnet, then the stage's transformer and motion module where it has them.
struct UNetLayer {
  std::shared_ptr<ResnetBlock> resnet;
  std::shared_ptr<SpatialTransformer> attention;  ///< may be null
  std::shared_ptr<MotionModule> motion;           ///< may be null

  at::Tensor forward(at::Tensor x, const UNetContext& context) const;
};

struct UNetStageOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t layers = 2;
  bool cross_attention = true;
  bool motion = true;
  bool resample = true;  ///< a down- or upsampler at the end
};

/// A 3x3 convolution below the name "conv".
class Resampler : public Module {
 public:
  Resampler(int64_t channels, int64_t stride);
  at::Tensor forward(const at::Tensor& x);

 private:
  std::shared_ptr<Conv2d> conv_;
};

/// Names: resnets.N, attentions.N, motion_modules.N, downsamplers.0.conv.
class DownBlock : public Module {
 public:
  DownBlock(const UNetStageOptions& stage, const UNet3DConfig& config);

  /// Appends each layer's output, and the downsampler's, to SKIPS.
  at::Tensor forward(at::Tensor x, const UNetContext& context, std::vector<at::Tensor>& skips);

 private:
  std::vector<UNetLayer> layers_;
  std::shared_ptr<Resampler> downsampler_;
};

/// Names: resnets.0, attentions.0, (motion_modules.0,) resnets.1.
class MidBlock : public Module {
 public:
  explicit MidBlock(const UNet3DConfig& config);
  at::Tensor forward(at::Tensor x, const UNetContext& context);

 private:
  std::shared_ptr<ResnetBlock> first_, second_;
  std::shared_ptr<SpatialTransformer> attention_;
  std::shared_ptr<MotionModule> motion_;  // may be null
};

/// Names: resnets.N, attentions.N, motion_modules.N, upsamplers.0.conv.
class UpBlock : public Module {
 public:
  /// skip_channels: width of each layer's skip connection, in the order of the layers.
  UpBlock(const UNetStageOptions& stage, const std::vector<int64_t>& skip_channels,
          const UNet3DConfig& config);

  /// Takes its skips from the back of SKIPS; then upsamples (nearest neighbour) to the size of the
  /// next skip.
  at::Tensor forward(at::Tensor x, const UNetContext& context, std::vector<at::Tensor>& skips);
  /// The last layer alone: x without the skip, which is appended to its channels.
  at::Tensor forward_last_layer(at::Tensor x, at::Tensor skip, const UNetContext& context);
  /// All layers but the last one; takes their skips.
  at::Tensor forward_but_last_layer(at::Tensor x, const UNetContext& context,
                                    std::vector<at::Tensor>& skips);

 private:
  std::vector<UNetLayer> layers_;
  std::shared_ptr<Resampler> upsampler_;
};

}  // namespace latentsync::nn
