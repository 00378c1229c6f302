#pragma once

#include "core/nn/config.h"
#include "core/nn/layers.h"
#include "core/nn/vae.h"

#include <cstdint>
#include <memory>

namespace latentsync::nn {

/// The diagonal normal distribution over latents that an image encodes to; unscaled.
struct Posterior {
  at::Tensor mean;    ///< [N, C, h, w]
  at::Tensor logvar;  ///< [N, C, h, w], logarithm of the variance, as the network gives it

  /// mean + standard deviation * noise; the logarithm of the variance is clamped to [-30, 20].
  at::Tensor sample(const at::Tensor& noise) const;
};

/// Self-attention over all positions of an image with one head, a group norm (eps 1e-6) before and
/// the input added behind. Parameter names: group_norm, to_q, to_k, to_v, to_out.0.
class VaeAttention : public Module {
 public:
  VaeAttention(int64_t channels, int64_t groups);
  /// x [N, C, H, W] channels-last -> the same.
  at::Tensor forward(const at::Tensor& x);

 private:
  std::shared_ptr<GroupNorm> group_norm_;
  std::shared_ptr<Linear> to_q_, to_k_, to_v_;
  std::shared_ptr<ModuleList<Linear>> to_out_;
};

class AutoencoderKLEncoder;
class AutoencoderKLDecoder;

/// The autoencoder of Stable Diffusion (sd-vae-ft-mse) with the parameter names of diffusers'
/// AutoencoderKL. Source: Rombach et al. 2022 (arXiv 2112.10752), diffusers 0.32.
class AutoencoderKL : public Vae {
 public:
  explicit AutoencoderKL(const AutoencoderKLConfig& config);

  /// images [N, in_channels, H, W] in [-1, 1] -> the posterior, unscaled; all images at once.
  Posterior encode(const at::Tensor& images, int64_t tile = 0);
  /// Unscaled latents [N, C, h, w] -> images [N, out_channels, H, W]; all at once.
  at::Tensor decode(const at::Tensor& unscaled_latents, int64_t tile = 0);

  /// (latents - shift_factor) * scaling_factor and back.
  at::Tensor scale(const at::Tensor& unscaled_latents) const;
  at::Tensor unscale(const at::Tensor& scaled_latents) const;

  const AutoencoderKLConfig& config() const { return config_; }
  int64_t downscale_factor() const override;
  int64_t image_channels() const override { return config_.in_channels; }
  int64_t latent_channels() const override { return config_.latent_channels; }

 protected:
  at::Tensor encode_batch(const at::Tensor& images, const at::Tensor& noise, int64_t tile) override;
  at::Tensor decode_batch(const at::Tensor& scaled_latents, int64_t tile) override;

 private:
  AutoencoderKLConfig config_;
  std::shared_ptr<AutoencoderKLEncoder> encoder_;
  std::shared_ptr<AutoencoderKLDecoder> decoder_;
  std::shared_ptr<Conv2d> quant_conv_, post_quant_conv_;
};

}  // namespace latentsync::nn
