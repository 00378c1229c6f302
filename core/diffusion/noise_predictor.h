#pragma once

#include "core/nn/attention.h"
#include "core/nn/feature_cache.h"
#include "core/nn/memory_options.h"
#include "core/nn/run_constants.h"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::diffusion {

/// The network as the denoising loop sees it.
class NoisePredictor {
 public:
  virtual ~NoisePredictor() = default;

  /// What the predictions of one denoising run share, for predict(): asked for once, before the
  /// first. timesteps: of all steps, in order; audio [F, tokens, features]; batch: the most entries
  /// that are predicted together.
  virtual nn::RunConstants prepare(at::IntArrayRef timesteps, const at::Tensor& audio,
                                   int64_t batch) = 0;

  /// sample [B, C, F, h, w]: noisy latents and condition channels -> the noise in the latents
  /// [B, latent channels, F, h, w] at the run's step of that number. conditioned: the last entry of
  /// the batch gets the run's audio; the others are predicted without any. CACHE is what the same
  /// run passed before; kReuse comes only after kStore.
  virtual at::Tensor predict(const at::Tensor& sample, const nn::RunConstants& constants,
                             int64_t step, bool conditioned, nn::CacheUse use,
                             nn::FeatureCache& cache) = 0;
};

/// A network with UNet3D's constants() and forward_step() as a NoisePredictor, with one kind of
/// attention and one way to spend memory; it must outlive this object.
template <typename Network>
class NetworkPredictor : public NoisePredictor {
 public:
  NetworkPredictor(Network& network, nn::AttentionMode attention,
                   const nn::MemoryOptions& memory = {})
      : network_(network), attention_(attention), memory_(memory) {}

  nn::RunConstants prepare(at::IntArrayRef timesteps, const at::Tensor& audio,
                           int64_t batch) override {
    return network_.constants(timesteps, audio, batch);
  }

  at::Tensor predict(const at::Tensor& sample, const nn::RunConstants& constants, int64_t step,
                     bool conditioned, nn::CacheUse use, nn::FeatureCache& cache) override {
    return network_.forward_step(sample, constants, step, conditioned, use, &cache, attention_,
                                 memory_);
  }

 private:
  Network& network_;
  nn::AttentionMode attention_;
  nn::MemoryOptions memory_;
};

}  // namespace latentsync::diffusion
