#include "core/nn/vae.h"

#include "core/error.h"

#include <sstream>
#include <vector>

namespace latentsync::nn {
namespace {

[[noreturn]] void refuse(const char* what, c10::IntArrayRef shape, const std::string& wanted) {
  std::ostringstream text;
  text << "The VAE cannot process " << what << " of shape " << shape << "; expected " << wanted
       << ".";
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

}  // namespace

at::Tensor Vae::encode_images(const at::Tensor& images, const at::Tensor& noise) {
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
  return encode_batch(images, noise);
}

at::Tensor Vae::decode_latents(const at::Tensor& scaled_latents) {
  if (scaled_latents.dim() != 4 || scaled_latents.numel() == 0 ||
      scaled_latents.size(1) != latent_channels()) {
    refuse("latents", scaled_latents.sizes(),
           "[N, " + std::to_string(latent_channels()) + ", h, w]");
  }
  return decode_batch(scaled_latents);
}

}  // namespace latentsync::nn
