#pragma once

#include "core/diffusion/denoiser.h"
#include "core/nn/attention.h"
#include "core/nn/unet3d.h"
#include "core/nn/vae.h"
#include "core/part_runner.h"

#include <cstdint>
#include <functional>
#include <stop_token>

#include <ATen/core/Tensor.h>

/// The networks' part of a window: face crops in, face crops out.
namespace latentsync::lipsync {

/// What of a crop is generated, on the device of the crops.
struct FaceMask {
  int64_t resolution = 0;
  at::Tensor keep;         ///< float32 [R, R], 1 where the crop stays, 0 where it is generated
  at::Tensor latent_keep;  ///< float32 [h, w], the same for the latents
  at::Tensor blend;        ///< float32 [R, R] on the CPU: how much of what is generated is written;
                           ///< 0 wherever the crop stays, from there inwards up to 1

  /// The model's own mask for a crop edge of RESOLUTION pixels.
  static FaceMask make(int64_t resolution, c10::Device device);
};

/// Noise for sampling the VAE's posterior; where it is undefined the mean is taken.
struct PosteriorNoise {
  at::Tensor masked;     ///< [F, C, h, w]
  at::Tensor reference;  ///< likewise
};

/// How the VAE takes a window's frames. Both bound its memory; results differ by rounding only.
struct VaeOptions {
  int64_t batch = 0;  ///< frames at once; 0: all
  /// Edge of its tiles in pixels of the crop, a multiple of 64; 0: no tiles. TAESD ignores it.
  int64_t tile = 0;
};

/// After a batch of the VAE: how many are done, of how many.
using BatchCallback = std::function<void(int64_t done, int64_t batches)>;

/// Encodes, denoises and decodes the crops of a window, one stage a call. Crops are float32
/// [F, 3, R, R] (R, G, B) in [-1, 1] on the VAE's device; networks run in DTYPE. STOP is looked at
/// before each layer. Errors: kCancelled, and those of the networks. To be used in inference mode.
class Renderer {
 public:
  /// VAE must outlive this object.
  Renderer(nn::Vae& vae, c10::ScalarType dtype, VaeOptions options, std::stop_token stop = {})
      : vae_(vae), dtype_(dtype), options_(options), stop_(std::move(stop)) {}

  /// audio [F, tokens, features]. RUN_PART gets each batch, and what is made before the first, as
  /// a part; without it all goes at once. PROGRESS is called by the calling thread.
  diffusion::Conditioning encode(const at::Tensor& crops, const FaceMask& mask,
                                 const at::Tensor& audio, const PosteriorNoise& noise = {},
                                 const BatchCallback& progress = {},
                                 const PartRunner& run_part = {}) const;

  /// noise [1, C, 1, h, w] -> latents [1, C, F, h, w], float32.
  at::Tensor denoise(diffusion::NoisePredictor& predictor,
                     const diffusion::DdimScheduler& scheduler,
                     const diffusion::DenoiseOptions& options, const at::Tensor& noise,
                     const diffusion::Conditioning& conditioning,
                     const diffusion::ProgressCallback& progress = {}) const;

  /// The decoded images [F, 3, R, R], float32, not clamped. RUN_PART and PROGRESS as in encode().
  at::Tensor decode(const at::Tensor& latents, const BatchCallback& progress = {},
                    const PartRunner& run_part = {}) const;

 private:
  /// IMAGES(begin, count): those of some frames, in DTYPE -> latents [1, C, F, h, w].
  at::Tensor encode_images(const at::Tensor& crops,
                           const std::function<at::Tensor(int64_t, int64_t)>& images,
                           const at::Tensor& noise, const BatchCallback& progress,
                           const PartRunner& run_part) const;
  /// WORK(begin, count) for all FRAMES, a batch a call and a part.
  void in_batches(int64_t frames, const std::function<void(int64_t, int64_t)>& work,
                  const BatchCallback& progress, const PartRunner& run_part) const;

  nn::Vae& vae_;
  c10::ScalarType dtype_;
  VaeOptions options_;
  std::stop_token stop_;
};

/// Throws kCancelled where a stop was requested.
void check_stop(const std::stop_token& stop);

}  // namespace latentsync::lipsync
