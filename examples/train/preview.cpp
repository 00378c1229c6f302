#include "examples/train/preview.h"

#include "core/diffusion/denoiser.h"
#include "core/diffusion/noise.h"
#include "examples/train/audio_training.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
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

at::Tensor chart(const Curve& curve, int64_t width, int64_t height) {
  constexpr uint8_t kColour[] = {31, 119, 180};
  constexpr int kParts = 64;  // of the way from one point to the next
  auto picture = at::full({height, width, 3}, 255, at::kByte);
  auto* pixels = picture.mutable_data_ptr<uint8_t>();
  std::vector<std::pair<double, double>> points;  // (time, logarithm)
  for (size_t i = 0; i < curve.at.size(); ++i) {
    const double value = std::log(curve.value[i]);
    if (std::isfinite(value) && std::isfinite(curve.at[i])) points.push_back({curve.at[i], value});
  }
  if (points.size() < 2) return picture;
  const auto by_value = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [begin, end] = std::minmax_element(points.begin(), points.end());
  const auto [low, high] = std::minmax_element(points.begin(), points.end(), by_value);
  const auto place = [](double value, double from, double to, int64_t count) {
    const double part = to > from ? std::clamp((value - from) / (to - from), 0.0, 1.0) : 0.5;
    return static_cast<int64_t>(part * static_cast<double>(count - 1));
  };
  for (size_t i = 1; i < points.size(); ++i) {
    const auto& [at, value] = points[i - 1];
    for (int part = 0; part < kParts; ++part) {
      const double t = static_cast<double>(part) / kParts;
      const auto x = place(std::lerp(at, points[i].first, t), begin->first, end->first, width);
      const auto y =
          height - 1 -
          place(std::lerp(value, points[i].second, t), low->second, high->second, height);
      std::copy_n(kColour, 3, pixels + (y * width + x) * 3);
    }
  }
  return picture;
}

}  // namespace latentsync::train
