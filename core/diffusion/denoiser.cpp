#include "core/diffusion/denoiser.h"

#include "core/device/transfer.h"
#include "core/error.h"

#include <array>
#include <functional>
#include <optional>
#include <sstream>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>
#include <c10/core/InferenceMode.h>

namespace latentsync::diffusion {
namespace {

void require_shape(const char* what, const at::Tensor& tensor, at::IntArrayRef wanted) {
  if (tensor.defined() && tensor.sizes() == wanted) return;
  std::ostringstream text;
  text << "The denoiser's " << what << " must be " << wanted << ", not ";
  if (tensor.defined()) {
    text << tensor.sizes() << ".";
  } else {
    text << "missing.";
  }
  throw Error(ErrorCode::kInvalidArgument, text.str());
}

void check_shapes(const at::Tensor& noise, const Conditioning& conditioning) {
  const auto& masked = conditioning.masked_latents;
  const auto& audio = conditioning.audio_embeddings;
  if (!masked.defined() || masked.dim() != 5 || masked.size(0) != 1 || masked.numel() == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "The denoiser's masked latents must be [1, C, F, h, w], none of them 0.");
  }
  const auto channels = masked.size(1), frames = masked.size(2);
  const auto height = masked.size(3), width = masked.size(4);
  require_shape("reference latents", conditioning.reference_latents, masked.sizes());
  require_shape("mask", conditioning.mask, {1, 1, frames, height, width});
  const bool one_frame = noise.defined() && noise.dim() == 5 && noise.size(2) == 1;
  require_shape("noise", noise, {1, channels, one_frame ? 1 : frames, height, width});
  if (!audio.defined() || audio.dim() != 3 || audio.size(0) != frames) {
    throw Error(ErrorCode::kInvalidArgument, "The denoiser's audio embeddings must be [" +
                                                 std::to_string(frames) + ", tokens, features].");
  }
}

at::Tensor audio_of(const Conditioning& conditioning) {
  const auto& masked = conditioning.masked_latents;
  return device::to_device(conditioning.audio_embeddings.to(masked.scalar_type()), masked.device());
}

// The network's input [batch, C + 1 + C + C, F, h, w] and its audio, of which only the first C
// channels change from step to step.
class NetworkInput {
 public:
  NetworkInput(const Conditioning& conditioning, int64_t batch)
      : latent_channels_(conditioning.masked_latents.size(1)) {
    const auto& masked = conditioning.masked_latents;
    const auto mask_channels = conditioning.mask.size(1);
    const auto channels = 3 * latent_channels_ + mask_channels;
    // Channels innermost, as the network's first convolution reads them.
    sample_ = at::empty({batch, masked.size(2), masked.size(3), masked.size(4), channels},
                        masked.options())
                  .permute({0, 4, 1, 2, 3});
    int64_t at = latent_channels_;
    for (const auto& part : {conditioning.mask, masked, conditioning.reference_latents}) {
      sample_.narrow(1, at, part.size(1)).copy_(part);
      at += part.size(1);
    }
  }

  const at::Tensor& with(const at::Tensor& latents) {
    sample_.narrow(1, 0, latent_channels_).copy_(latents);
    return sample_;
  }

 private:
  int64_t latent_channels_;
  at::Tensor sample_;
};

// One window on its way: predicts the guided noise of a step.
class GuidedPrediction {
 public:
  GuidedPrediction(NoisePredictor& predictor, at::IntArrayRef timesteps,
                   const Conditioning& conditioning, const DenoiseOptions& options)
      : predictor_(predictor),
        guidance_scale_(options.guidance_scale),
        guided_(options.guidance_scale > 1),
        batched_(guided_ && options.batch_guidance),
        input_(conditioning, batched_ ? 2 : 1),
        constants_(predictor.prepare(timesteps, audio_of(conditioning), batched_ ? 2 : 1)) {}

  at::Tensor operator()(const at::Tensor& latents, int64_t step, nn::CacheUse use) {
    const auto& sample = input_.with(latents);
    const auto predict = [&](bool conditioned, nn::FeatureCache& cache) {
      return predictor_.predict(sample, constants_, step, conditioned, use, cache).to(at::kFloat);
    };
    if (!guided_) return predict(true, caches_[0]);
    if (batched_) {
      const auto both = predict(true, caches_[0]);
      return at::lerp(both.narrow(0, 0, 1), both.narrow(0, 1, 1), guidance_scale_);
    }
    const auto null = predict(false, caches_[0]);
    return at::lerp(null, predict(true, caches_[1]), guidance_scale_);
  }

 private:
  NoisePredictor& predictor_;
  double guidance_scale_;
  bool guided_, batched_;
  NetworkInput input_;
  nn::RunConstants constants_;
  std::array<nn::FeatureCache, 2> caches_;  // of the whole batch, or of the null and the audio half
};

}  // namespace

Denoiser::Denoiser(NoisePredictor& predictor, DdimScheduler scheduler,
                   const DenoiseOptions& options)
    : predictor_(predictor), scheduler_(std::move(scheduler)), options_(options) {
  if (options_.cache_interval < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "The feature cache's interval must be 0 (off) or more.");
  }
}

at::Tensor Denoiser::run(const at::Tensor& noise, const Conditioning& conditioning,
                         const ProgressCallback& progress, std::stop_token stop,
                         const PartRunner& run_part) {
  check_shapes(noise, conditioning);
  const auto run = [&](const std::function<void()>& part) {
    const auto in_inference_mode = [&] {
      const c10::InferenceMode inference;
      part();
    };
    if (run_part) {
      run_part(in_inference_mode);
    } else {
      in_inference_mode();
    }
  };
  std::optional<GuidedPrediction> predicted_noise;
  at::Tensor latents;
  run([&] {
    predicted_noise.emplace(predictor_, scheduler_.timesteps(), conditioning, options_);
    latents = device::to_device(noise.to(at::kFloat), conditioning.masked_latents.device())
                  .expand(conditioning.masked_latents.sizes());
  });
  const auto interval = options_.cache_interval;
  for (int64_t index = 0; index < scheduler_.steps(); ++index) {
    if (stop.stop_requested()) {
      throw Error(
          ErrorCode::kCancelled, "Denoising was cancelled.",
          "before step " + std::to_string(index) + " of " + std::to_string(scheduler_.steps()));
    }
    const auto use = interval <= 1           ? nn::CacheUse::kNone
                     : index % interval == 0 ? nn::CacheUse::kStore
                                             : nn::CacheUse::kReuse;
    run([&] {
      latents = scheduler_.step((*predicted_noise)(latents, index, use), index, latents);
    });
    if (progress) progress(index + 1, scheduler_.steps(), latents);
  }
  return latents;
}

}  // namespace latentsync::diffusion
