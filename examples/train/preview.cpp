#include "examples/train/preview.h"

#include "core/diffusion/denoiser.h"
#include "core/diffusion/noise.h"
#include "examples/train/audio_training.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <c10/core/InferenceMode.h>

namespace latentsync::train {
namespace {

constexpr int64_t kColumns = 8;

// Runs the loop over the windows of a clip.
at::Tensor denoised(nn::UNet3D& unet, const at::Tensor& plain, const at::Tensor& masked,
                    const at::Tensor& tokens, const at::Tensor& latent_mask,
                    const PreviewOptions& options) {
  diffusion::NetworkPredictor<nn::UNet3D> predictor(unet, nn::AttentionMode::kFlex);
  diffusion::Denoiser denoiser(predictor, diffusion::DdimScheduler(options.steps),
                               {.guidance_scale = options.guidance});
  const auto noise =
      diffusion::initial_noise(diffusion::make_generator(static_cast<uint64_t>(options.seed)),
                               plain.size(1), plain.size(2), plain.size(3));
  const auto as_window = [&](const at::Tensor& x) {  // [F, C, h, w] -> [1, C, F, h, w]
    return x.to(tokens.scalar_type()).transpose(0, 1).unsqueeze(0);
  };
  std::vector<at::Tensor> windows;
  for (int64_t begin = 0; begin < plain.size(0); begin += options.window) {
    const auto length = std::min(options.window, plain.size(0) - begin);
    const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, length); };
    const auto latents =
        denoiser.run(noise, {as_window(latent_mask.expand({length, 1, -1, -1})),
                             as_window(part(masked)), as_window(part(plain)), part(tokens)});
    windows.push_back(latents.squeeze(0).transpose(0, 1));
  }
  return at::cat(windows);
}

// Some of the frames side by side: [edge, columns * edge, 3].
at::Tensor strip(const at::Tensor& images) {
  const auto chosen =
      at::linspace(0, static_cast<double>(images.size(0) - 1), kColumns, at::kFloat).to(at::kLong);
  const auto bytes = kernels::pixel_bytes(images.index_select(0, chosen.to(images.device())));
  return bytes.permute({2, 0, 3, 1}).flatten(1, 2).to(at::kCPU).contiguous();
}

}  // namespace

Preview make_preview(const Dataset& dataset, const Clip& face, const Clip& driver, nn::UNet3D& unet,
                     audio::WhisperEncoder& encoder, MouthReader& reader, ImageCoder& coder,
                     const PreviewOptions& options) {
  const c10::InferenceMode inference;
  const auto device = coder.mask().device();
  const auto count = std::min({options.frames, face.frames(), driver.frames()});
  const auto images = augmented_crops(dataset, face, {}, device).narrow(0, 0, count);
  const auto plain = coder.encode(images);
  const auto masked = coder.encode(images * coder.mask());
  const auto tokens = tokens_alone(driver, encoder).narrow(0, 0, count);
  const auto latents = denoised(unet, plain, masked, tokens.to(unet.parameters()[0].scalar_type()),
                                coder.latent_mask(), options);
  const auto made = kernels::combine(coder.decode(latents), images, coder.mask());

  Preview preview;
  const auto opening = reader.forward(latents).select(1, 0).to(at::kCPU);
  const auto wanted = driver.mouth.select(1, 0).narrow(0, 0, count);
  preview.driver_r = best_correlation(opening, wanted, 3);
  preview.movement = (opening.std() / wanted.std()).item<double>();
  preview.face_r = best_correlation(opening, face.mouth.select(1, 0).narrow(0, 0, count), 3);
  const auto hidden = 1 - coder.mask();
  const double error =
      (((made - images).square() * hidden).sum() / (hidden.sum() * 3 * static_cast<double>(count)))
          .item<double>();
  preview.psnr = 10 * std::log10(4 / error);
  const auto driving = augmented_crops(dataset, driver, {}, device).narrow(0, 0, count);
  preview.sheet = stacked({strip(driving), strip(images), strip(made)});
  return preview;
}

at::Tensor stacked(const std::vector<at::Tensor>& pictures) { return at::cat(pictures, 0); }

}  // namespace latentsync::train
