#pragma once

#include "core/nn/config.h"
#include "core/nn/layers.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace latentsync::audio {

class WhisperBlock;
class WhisperConvolution;

/// Whisper's audio encoder with OpenAI's names below `encoder.`: conv1, conv2, positional_embedding
/// (a buffer), blocks.N.{attn.{query,key,value,out}, attn_ln, mlp.0, mlp.2, mlp_ln}, ln_post
/// (source: latentsync/whisper/whisper/model.py).
class WhisperEncoder : public nn::Module {
 public:
  /// Errors: kInvalidArgument when the heads do not divide the width.
  explicit WhisperEncoder(const nn::WhisperConfig& config);

  /// mel [B, n_mels, 2 n_audio_ctx], normalised, in the module's precision. Returns all states of
  /// the residual stream, after the position embedding and after each block:
  /// [B, n_audio_layer + 1, n_audio_ctx, n_audio_state].
  /// Errors: kInvalidArgument for another shape of mel.
  at::Tensor forward(const at::Tensor& mel);

  /// What Whisper's own decoder gets: ln_post of the last state, [B, n_audio_ctx, n_audio_state].
  at::Tensor output(const at::Tensor& states);

  const nn::WhisperConfig& config() const noexcept { return config_; }
  c10::Device device() const { return positional_embedding_.device(); }
  c10::ScalarType dtype() const { return positional_embedding_.scalar_type(); }

 private:
  nn::WhisperConfig config_;
  std::shared_ptr<WhisperConvolution> conv1_, conv2_;
  at::Tensor positional_embedding_;  // [n_audio_ctx, n_audio_state]
  std::vector<std::shared_ptr<WhisperBlock>> blocks_;
  std::shared_ptr<nn::LayerNorm> ln_post_;
};

}  // namespace latentsync::audio
