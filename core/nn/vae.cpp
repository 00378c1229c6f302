#include "core/nn/vae.h"

#include "core/error.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace latentsync::nn {
namespace {

[[noreturn]] void refuse(const char* what, c10::IntArrayRef shape, const std::string& wanted) {
  std::ostringstream text;
  text << "The VAE cannot process " << what << " of shape " << shape << "; expected " << wanted
       << ".";
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

void check_tile(int64_t tile) {
  if (tile >= 0 && tile % Vae::kTileStep == 0) return;
  throw Error(ErrorCode::kInvalidArgument, "The VAE's tiles cannot have " + std::to_string(tile) +
                                               " pixels; expected 0 (none) or a multiple of " +
                                               std::to_string(Vae::kTileStep) + ".");
}

}  // namespace

at::Tensor Vae::encode_images(const at::Tensor& images, const at::Tensor& noise, int64_t tile) {
  const auto factor = downscale_factor();
  if (images.dim() != 4 || images.size(0) < 1 || images.size(1) != image_channels() ||
      images.size(2) < factor || images.size(2) % factor != 0 || images.size(3) < factor ||
      images.size(3) % factor != 0) {
    refuse("images", images.sizes(),
           "[N, " + std::to_string(image_channels()) + ", H, W] with sides that are multiples of " +
               std::to_string(factor));
  }
  const std::vector<int64_t> latents_shape = {images.size(0), latent_channels(),
                                              images.size(2) / factor, images.size(3) / factor};
  if (noise.defined() && noise.sizes() != latents_shape) {
    std::ostringstream wanted;
    wanted << c10::IntArrayRef(latents_shape);
    refuse("noise", noise.sizes(), wanted.str());
  }
  check_tile(tile);
  return encode_batch(images, noise, tile < std::max(images.size(2), images.size(3)) ? tile : 0);
}

at::Tensor Vae::decode_latents(const at::Tensor& scaled_latents, int64_t tile) {
  if (scaled_latents.dim() != 4 || scaled_latents.numel() == 0 ||
      scaled_latents.size(1) != latent_channels()) {
    refuse("latents", scaled_latents.sizes(),
           "[N, " + std::to_string(latent_channels()) + ", h, w]");
  }
  check_tile(tile);
  const int64_t longest = std::max(scaled_latents.size(2), scaled_latents.size(3));
  return decode_batch(scaled_latents, tile < longest * downscale_factor() ? tile : 0);
}

}  // namespace latentsync::nn
