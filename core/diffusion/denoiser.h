#pragma once

#include "core/diffusion/ddim.h"
#include "core/diffusion/noise_predictor.h"
#include "core/part_runner.h"

#include <cstdint>
#include <functional>
#include <stop_token>

#include <ATen/core/Tensor.h>

namespace latentsync::diffusion {

/// What the latents of one window of F frames are denoised towards.
struct Conditioning {
  at::Tensor mask;               ///< [1, 1, F, h, w], 1 where the image is kept
  at::Tensor masked_latents;     ///< [1, C, F, h, w], scaled latents of the masked images
  at::Tensor reference_latents;  ///< [1, C, F, h, w], scaled latents of the reference images
  at::Tensor audio_embeddings;   ///< [F, tokens, features]
};

struct DenoiseOptions {
  /// 1 or less: the audio-conditioned prediction alone; above: null + scale * (audio - null), where
  /// null is the prediction without audio.
  double guidance_scale = 1.5;
  /// DeepCache: steps whose index is a multiple of it evaluate the whole network, the others its
  /// outermost layer only. 0 and 1: every step is whole.
  int64_t cache_interval = 0;
  /// Whether the null and the audio half run as one batch of two, or one after the other in half
  /// the memory; equal within rounding.
  bool batch_guidance = true;
};

/// After a step: how many steps are done, of how many, and the latents [1, C, F, h, w] float32 as
/// they now are.
using ProgressCallback =
    std::function<void(int64_t done, int64_t steps, const at::Tensor& latents)>;

/// The denoising loop with guidance and DeepCache.
///
/// All arithmetic on the latents is float32; the network gets its input in the dtype and on the
/// device of the conditioning's masked_latents, channels innermost in memory. Runs in inference
/// mode, and so returns an inference tensor.
class Denoiser {
 public:
  /// PREDICTOR must outlive this object.
  Denoiser(NoisePredictor& predictor, DdimScheduler scheduler, const DenoiseOptions& options = {});

  /// noise: [1, C, 1 or F, h, w] on any device (one frame is repeated) -> latents [1, C, F, h, w]
  /// float32, on the device of masked_latents.
  /// STOP is looked at before every step. RUN_PART, where there is one, is given the preparation
  /// and then each step; PROGRESS is called in between, by the calling thread.
  /// Errors: kInvalidArgument (shapes), kCancelled; whatever the predictor, PROGRESS and RUN_PART
  /// throw.
  at::Tensor run(const at::Tensor& noise, const Conditioning& conditioning,
                 const ProgressCallback& progress = {}, std::stop_token stop = {},
                 const PartRunner& run_part = {});

  const DdimScheduler& scheduler() const { return scheduler_; }

 private:
  NoisePredictor& predictor_;
  DdimScheduler scheduler_;
  DenoiseOptions options_;
};

}  // namespace latentsync::diffusion
