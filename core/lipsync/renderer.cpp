#include "core/lipsync/renderer.h"

#include "core/error.h"
#include "core/lipsync/mask_picture.h"
#include "core/nn/interruption.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/max_pool2d.h>

namespace latentsync::lipsync {
namespace {

// [F, C, h, w] -> [1, C, F, h, w].
at::Tensor as_video(const at::Tensor& frames) { return frames.transpose(0, 1).unsqueeze(0); }

// What is generated never meets the crop's own pixels without a step in colour, so it fades in over
// a sixteenth of the crop, inside of what is generated. At the crop's own edge nothing fades here.
at::Tensor fading_in(const at::Tensor& keep) {
  const int64_t reach = std::max<int64_t>(1, keep.size(0) / 64);
  const auto kept = keep.unsqueeze(0).unsqueeze(0);
  const auto shrunk =
      1 - at::max_pool2d(kept, {4 * reach + 1, 4 * reach + 1}, {1, 1}, {2 * reach, 2 * reach});
  const auto blurred = [&](const at::Tensor& x) {
    return at::avg_pool2d(x, {2 * reach + 1, 2 * reach + 1}, {1, 1}, {reach, reach},
                          /*ceil_mode=*/false, /*count_include_pad=*/false);
  };
  // What was shrunk by 2 reach is blurred by reach twice; what follows rules out rounding.
  return (blurred(blurred(shrunk)).clamp_max(1) * (1 - kept)).squeeze(0).squeeze(0).contiguous();
}

}  // namespace

FaceMask FaceMask::make(int64_t resolution, c10::Device device) {
  const auto keep = kernels::face_mask(mask_picture(), resolution);
  return {resolution, keep.to(device), kernels::latent_mask(keep).to(device), fading_in(keep)};
}

at::Tensor UNetPredictor::predict(const at::Tensor& sample, int64_t timestep,
                                  const at::Tensor& encoder_hidden_states, nn::CacheUse use,
                                  nn::FeatureCache& cache) {
  return unet_.forward(sample, timestep, encoder_hidden_states, use, &cache, mode_);
}

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  }
}

at::Tensor Renderer::in_batches(const at::Tensor& input,
                                const std::function<at::Tensor(int64_t, int64_t)>& work,
                                const BatchCallback& progress) const {
  const nn::Interruptible interruptible(stop_);
  const int64_t count = input.size(0);
  const int64_t batch = vae_batch_ > 0 ? vae_batch_ : count;
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += batch) {
    check_stop(stop_);
    parts.push_back(work(begin, std::min(batch, count - begin)));
    if (progress) progress(static_cast<int64_t>(parts.size()), (count + batch - 1) / batch);
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

at::Tensor Renderer::encode_images(const at::Tensor& images, const at::Tensor& noise,
                                   const BatchCallback& progress) const {
  const auto encode = [&](int64_t begin, int64_t count) {
    return vae_.encode_images(
        images.narrow(0, begin, count).to(dtype_),
        noise.defined() ? noise.narrow(0, begin, count).to(images.device(), dtype_) : noise);
  };
  return in_batches(images, encode, progress);
}

diffusion::Conditioning Renderer::encode(const at::Tensor& crops, const FaceMask& mask,
                                         const at::Tensor& audio, const PosteriorNoise& noise,
                                         const BatchCallback& progress) const {
  // Masked and whole crops are two runs of as many batches.
  const auto half = [&](bool second) -> BatchCallback {
    if (!progress) return {};
    return [&progress, second](int64_t done, int64_t batches) {
      progress(second ? batches + done : done, 2 * batches);
    };
  };
  const auto masked = encode_images(crops * mask.keep, noise.masked, half(false));
  const auto reference = encode_images(crops, noise.reference, half(true));
  const auto keep = mask.latent_keep.to(dtype_).expand(
      {1, 1, crops.size(0), mask.latent_keep.size(0), mask.latent_keep.size(1)});
  return {.mask = keep,
          .masked_latents = as_video(masked),
          .reference_latents = as_video(reference),
          .audio_embeddings = audio};
}

at::Tensor Renderer::denoise(diffusion::NoisePredictor& predictor,
                             const diffusion::DdimScheduler& scheduler,
                             const diffusion::DenoiseOptions& options, const at::Tensor& noise,
                             const diffusion::Conditioning& conditioning,
                             const diffusion::ProgressCallback& progress) const {
  const nn::Interruptible interruptible(stop_);
  diffusion::Denoiser denoiser(predictor, scheduler, options);
  return denoiser.run(noise, conditioning, progress, stop_);
}

at::Tensor Renderer::decode(const at::Tensor& latents, const BatchCallback& progress) const {
  const auto frames = latents.squeeze(0).transpose(0, 1);
  const auto decode = [&](int64_t begin, int64_t count) {
    return vae_.decode_latents(frames.narrow(0, begin, count).contiguous().to(dtype_))
        .to(at::kFloat);
  };
  return in_batches(frames, decode, progress);
}

}  // namespace latentsync::lipsync
