#pragma once

#include "core/nn/module.h"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

/// What the pipeline needs of a variational autoencoder, whichever it is: images in [-1, 1] to the
/// latents that the UNet works on ("scaled": already multiplied by the VAE's scaling factor), and
/// back.
///
/// Tensors come in the dtype and on the device of the weights; all images of a call go through the
/// network at once. Nothing here stops gradients: put inference under at::InferenceMode.
///
/// TILE: with 0 every layer computes whole pictures. Otherwise the layers at the images' own
/// resolution compute one square of so many pixels (a multiple of kTileStep) after the other, in
/// less memory and more time (docs/networks.md), without gradients; results are equal within
/// rounding. A VAE that needs little memory ignores it.
class Vae : public Module {
 public:
  static constexpr int64_t kTileStep = 64;

  /// images [N, 3, H, W] in [-1, 1], H and W multiples of downscale_factor() -> scaled latents
  /// [N, C, H / downscale, W / downscale].
  /// noise: standard normal, shaped like the latents: the posterior is sampled with it; undefined:
  /// its mean is taken. A VAE without a posterior ignores it.
  /// Errors: kInvalidArgument for other shapes or tiles.
  at::Tensor encode_images(const at::Tensor& images, const at::Tensor& noise = {},
                           int64_t tile = 0);

  /// Scaled latents [N, C, h, w] -> images [N, 3, h * downscale, w * downscale] around [-1, 1], not
  /// clamped. Errors: kInvalidArgument for other shapes or tiles.
  at::Tensor decode_latents(const at::Tensor& scaled_latents, int64_t tile = 0);

  virtual int64_t downscale_factor() const = 0;
  virtual int64_t image_channels() const = 0;
  virtual int64_t latent_channels() const = 0;

 protected:
  virtual at::Tensor encode_batch(const at::Tensor& images, const at::Tensor& noise,
                                  int64_t tile) = 0;
  virtual at::Tensor decode_batch(const at::Tensor& scaled_latents, int64_t tile) = 0;
};

}  // namespace latentsync::nn
