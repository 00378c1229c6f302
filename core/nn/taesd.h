#pragma once

#include "core/nn/layers.h"
#include "core/nn/vae.h"

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

namespace latentsync::nn {

/// Three convolutions with ReLU between them, the input added, ReLU. Parameter names: conv.0,
/// conv.2, conv.4. x [N, C, H, W] -> the same shape.
class TaesdBlock : public Module {
 public:
  explicit TaesdBlock(int64_t channels);
  at::Tensor forward(const at::Tensor& x);

 private:
  std::shared_ptr<Conv2d> first_, second_, third_;
};

/// One half of TAESD: layers one after the other, their parameters named by their index in the row
/// ("1.conv.0.weight"), as in the published files.
class TaesdLayers : public Module {
 public:
  at::Tensor forward(at::Tensor x);

 protected:
  enum class Function { kSoftClamp, kRelu, kDoubleSize };

  void append(std::shared_ptr<Conv2d> conv);
  void append(std::shared_ptr<TaesdBlock> block);
  void append(Function function);
  void append_blocks(int count);

 private:
  using Layer = std::variant<std::shared_ptr<Conv2d>, std::shared_ptr<TaesdBlock>, Function>;

  std::vector<Layer> layers_;
};

/// images [N, 3, H, W] in [0, 1] -> scaled latents [N, 4, H/8, W/8].
class TaesdEncoder : public TaesdLayers {
 public:
  TaesdEncoder();
};

/// Scaled latents [N, 4, h, w] -> images [N, 3, 8h, 8w] around [0, 1], not clamped.
class TaesdDecoder : public TaesdLayers {
 public:
  TaesdDecoder();
};

/// TAESD (https://github.com/madebyollin/taesd): a small autoencoder for the latents of Stable
/// Diffusion 1.x. It has no posterior; its latents need no scaling. The halves come in two files:
/// load each into its own half.
class Taesd : public Vae {
 public:
  Taesd();

  TaesdEncoder& encoder() { return *encoder_; }
  TaesdDecoder& decoder() { return *decoder_; }

  int64_t downscale_factor() const override { return 8; }
  int64_t image_channels() const override { return 3; }
  int64_t latent_channels() const override { return 4; }

 protected:
  at::Tensor encode_batch(const at::Tensor& images, const at::Tensor& noise, int64_t tile) override;
  at::Tensor decode_batch(const at::Tensor& scaled_latents, int64_t tile) override;

 private:
  std::shared_ptr<TaesdEncoder> encoder_;
  std::shared_ptr<TaesdDecoder> decoder_;
};

}  // namespace latentsync::nn
