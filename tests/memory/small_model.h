#pragma once

#include "core/memory/plan.h"

/// A model of the published structure in a small size, for counting.
namespace latentsync::test {

inline memory::NetworkConfigs small_configs() {
  return {.unet = {.block_out_channels = {64, 64, 96, 96},
                   .attention_heads = 2,
                   .cross_attention_dim = 128,
                   .motion_heads = 2},
          .vae = nn::AutoencoderKLConfig{.block_out_channels = {32, 32, 64, 64}},
          .whisper = {.n_audio_state = 128, .n_audio_head = 2, .n_audio_layer = 2}};
}

inline memory::PlanInput small_input() {
  memory::PlanInput input{.device = "cpu", .precision = "float32"};
  input.settings.resolution = 256;
  input.settings.inference_steps = 2;
  input.settings.feature_cache = 2;
  input.width = 640;
  input.height = 360;
  return input;
}

}  // namespace latentsync::test
