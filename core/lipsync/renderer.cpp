#include "core/lipsync/renderer.h"

#include "core/device/transfer.h"
#include "core/error.h"
#include "core/lipsync/mask_picture.h"
#include "core/nn/interruption.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty.h>
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

void run(const PartRunner& run_part, const std::function<void()>& part) {
  run_part ? run_part(part) : part();
}

}  // namespace

FaceMask FaceMask::make(int64_t resolution, c10::Device device) {
  const auto keep = kernels::face_mask(mask_picture(), resolution);
  return {resolution, device::to_device(keep, device),
          device::to_device(kernels::latent_mask(keep), device), fading_in(keep)};
}

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  }
}

void Renderer::in_batches(int64_t frames, const std::function<void(int64_t, int64_t)>& work,
                          const BatchCallback& progress, const PartRunner& run_part) const {
  const nn::Interruptible interruptible(stop_);
  const int64_t batch = options_.batch > 0 ? std::min(options_.batch, frames) : frames;
  for (int64_t begin = 0; begin < frames; begin += batch) {
    check_stop(stop_);
    run(run_part, [&] { work(begin, std::min(batch, frames - begin)); });
    if (progress) progress(begin / batch + 1, (frames + batch - 1) / batch);
  }
}

at::Tensor Renderer::encode_images(const at::Tensor& crops,
                                   const std::function<at::Tensor(int64_t, int64_t)>& images,
                                   const at::Tensor& noise, const BatchCallback& progress,
                                   const PartRunner& run_part) const {
  const auto downscale = vae_.downscale_factor();
  at::Tensor latents;
  run(run_part, [&] {
    latents = at::empty({crops.size(0), vae_.latent_channels(), crops.size(2) / downscale,
                         crops.size(3) / downscale},
                        crops.options().dtype(dtype_));
  });
  const auto encode = [&](int64_t begin, int64_t count) {
    const auto of_batch =
        noise.defined()
            ? device::to_device(noise.narrow(0, begin, count).to(dtype_), crops.device())
            : noise;
    latents.narrow(0, begin, count)
        .copy_(vae_.encode_images(images(begin, count), of_batch, options_.tile));
  };
  in_batches(crops.size(0), encode, progress, run_part);
  return as_video(latents);
}

diffusion::Conditioning Renderer::encode(const at::Tensor& crops, const FaceMask& mask,
                                         const at::Tensor& audio, const PosteriorNoise& noise,
                                         const BatchCallback& progress,
                                         const PartRunner& run_part) const {
  // Masked and whole crops are two runs of as many batches.
  const auto half = [&](bool second) -> BatchCallback {
    if (!progress) return {};
    return [&progress, second](int64_t done, int64_t batches) {
      progress(second ? batches + done : done, 2 * batches);
    };
  };
  const auto whole = [&](int64_t begin, int64_t count) { return crops.narrow(0, begin, count); };
  const auto masked = encode_images(
      crops,
      [&](int64_t begin, int64_t count) { return (whole(begin, count) * mask.keep).to(dtype_); },
      noise.masked, half(false), run_part);
  const auto reference = encode_images(
      crops, [&](int64_t begin, int64_t count) { return whole(begin, count).to(dtype_); },
      noise.reference, half(true), run_part);
  at::Tensor keep;
  run(run_part, [&] {
    keep = mask.latent_keep.to(dtype_).expand(
        {1, 1, crops.size(0), mask.latent_keep.size(0), mask.latent_keep.size(1)});
  });
  return {.mask = keep,
          .masked_latents = masked,
          .reference_latents = reference,
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

at::Tensor Renderer::decode(const at::Tensor& latents, const BatchCallback& progress,
                            const PartRunner& run_part) const {
  const auto frames = latents.squeeze(0).transpose(0, 1);
  const auto upscale = vae_.downscale_factor();
  at::Tensor images;
  run(run_part, [&] {
    images = at::empty(
        {frames.size(0), vae_.image_channels(), frames.size(2) * upscale, frames.size(3) * upscale},
        latents.options().dtype(at::kFloat));
  });
  const auto decode = [&](int64_t begin, int64_t count) {
    images.narrow(0, begin, count)
        .copy_(vae_.decode_latents(frames.narrow(0, begin, count).contiguous().to(dtype_),
                                   options_.tile));
  };
  in_batches(frames.size(0), decode, progress, run_part);
  return images;
}

}  // namespace latentsync::lipsync
