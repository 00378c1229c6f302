#pragma once

#include "core/nn/attention.h"
#include "core/nn/feature_cache.h"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::diffusion {

/// The network as the denoising loop sees it.
class NoisePredictor {
 public:
  virtual ~NoisePredictor() = default;

  /// sample [B, C, F, h, w]: noisy latents and condition channels; encoder_hidden_states
  /// [B*F, tokens, features], b-major -> the noise in the latents [B, latent channels, F, h, w].
  /// CACHE is what the same denoising run passed before; kReuse comes only after kStore.
  virtual at::Tensor predict(const at::Tensor& sample, int64_t timestep,
                             const at::Tensor& encoder_hidden_states, nn::CacheUse use,
                             nn::FeatureCache& cache) = 0;
};

/// A network with UNet3D's forward() as a NoisePredictor, with one kind of attention; it must
/// outlive this object.
template <typename Network>
class NetworkPredictor : public NoisePredictor {
 public:
  NetworkPredictor(Network& network, nn::AttentionMode attention)
      : network_(network), attention_(attention) {}

  at::Tensor predict(const at::Tensor& sample, int64_t timestep,
                     const at::Tensor& encoder_hidden_states, nn::CacheUse use,
                     nn::FeatureCache& cache) override {
    return network_.forward(sample, timestep, encoder_hidden_states, use, &cache, attention_);
  }

 private:
  Network& network_;
  nn::AttentionMode attention_;
};

}  // namespace latentsync::diffusion
