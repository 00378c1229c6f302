#pragma once

#include <cstdint>
#include <vector>

/// The configurations of the networks: what the shapes of a checkpoint (core/model/config.h) and an
/// optional config.json say. The defaults are those of the published LatentSync 1.5 and 1.6
/// checkpoints.
namespace latentsync::nn {

struct UNet3DConfig {
  int64_t in_channels =
      13;  ///< 4 noisy latents, 1 mask, 4 masked-image latents, 4 reference latents
  int64_t out_channels = 4;
  std::vector<int64_t> block_out_channels = {320, 640, 1280, 1280};
  /// Which down blocks have spatial transformers; the up blocks mirror it.
  std::vector<bool> cross_attention_blocks = {true, true, true, false};
  int64_t layers_per_block = 2;
  int64_t attention_heads = 8;  ///< the reference's key for it is "attention_head_dim"
  int64_t cross_attention_dim = 384;
  int64_t norm_groups = 32;
  double norm_eps = 1e-5;  ///< resnets and conv_norm_out; the transformers' group norms have 1e-6

  /// Which down blocks and which up blocks (in their own order) have motion modules.
  std::vector<bool> motion_down_blocks = {true, true, true, true};
  std::vector<bool> motion_up_blocks = {true, true, true, true};
  bool motion_mid_block = false;
  int64_t motion_heads = 8;
  int64_t motion_transformer_blocks = 1;
  int64_t motion_attentions = 2;   ///< temporal self-attentions in each transformer block
  int64_t motion_max_frames = 24;  ///< length of the temporal position encoding

  bool operator==(const UNet3DConfig&) const = default;
};

/// Of the norm at a motion module's beginning, whatever the rest of the network has.
inline constexpr int64_t kMotionNormGroups = 32;

struct AutoencoderKLConfig {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;  ///< of the encoder; the decoder has one more
  int64_t norm_groups = 32;
  double scaling_factor = 0.18215;
  double shift_factor = 0;

  bool operator==(const AutoencoderKLConfig&) const = default;
};

struct WhisperConfig {
  int64_t n_mels = 80;
  int64_t n_audio_ctx = 1500;  ///< positions after the stride-2 convolution: half the mel columns
  int64_t n_audio_state = 384;
  int64_t n_audio_head = 6;
  int64_t n_audio_layer = 4;

  bool operator==(const WhisperConfig&) const = default;
};

}  // namespace latentsync::nn
