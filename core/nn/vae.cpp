#include "core/nn/vae.h"

#include "core/error.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include <ATen/ops/cat.h>

namespace latentsync::nn {
namespace {

[[noreturn]] void refuse(const char* what, c10::IntArrayRef shape, const std::string& wanted) {
  std::ostringstream text;
  text << "The VAE cannot process " << what << " of shape " << shape << "; expected " << wanted
       << ".";
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

// RUN(begin, length) for each run of at most BATCH_SIZE of COUNT images, put together again.
template <typename Run>
at::Tensor in_batches(int64_t count, int64_t batch_size, const Run& run) {
  if (batch_size < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "The VAE's batch size must be 0 (all images at once) or more.");
  }
  if (batch_size == 0 || batch_size >= count) return run(0, count);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += batch_size) {
    parts.push_back(run(begin, std::min(batch_size, count - begin)));
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor Vae::encode_images(const at::Tensor& images, const at::Tensor& noise,
                              int64_t batch_size) {
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
  return in_batches(images.size(0), batch_size, [&](int64_t begin, int64_t length) {
    return encode_batch(images.narrow(0, begin, length),
                        noise.defined() ? noise.narrow(0, begin, length) : noise);
  });
}

at::Tensor Vae::decode_latents(const at::Tensor& scaled_latents, int64_t batch_size) {
  if (scaled_latents.dim() != 4 || scaled_latents.numel() == 0 ||
      scaled_latents.size(1) != latent_channels()) {
    refuse("latents", scaled_latents.sizes(),
           "[N, " + std::to_string(latent_channels()) + ", h, w]");
  }
  return in_batches(scaled_latents.size(0), batch_size, [&](int64_t begin, int64_t length) {
    return decode_batch(scaled_latents.narrow(0, begin, length));
  });
}

}  // namespace latentsync::nn
