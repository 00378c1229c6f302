#include "core/lipsync/window_editor.h"

#include "core/diffusion/noise.h"
#include "core/error.h"
#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/stage_timer.h"
#include "kernels/paste_back/paste_back.h"
#include "kernels/warp_crop/warp_crop.h"

#include <map>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

namespace latentsync::lipsync {
namespace {

// What encoding and denoising are of a sequence's work, roughly; the rest is decoding.
constexpr double kEncodePart = 0.1;
constexpr double kDenoisePart = 0.75;

c10::Device device_of(const kernels::ImageView& view) {
  return view.device == kernels::kSystemMemory
             ? c10::Device(c10::kCPU)
             : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(view.device));
}

nn::AttentionMode attention_mode(Attention attention) {
  switch (attention) {
    case Attention::kFlash:
      return nn::AttentionMode::kFlash;
    case Attention::kStandard:
      return nn::AttentionMode::kStandard;
    case Attention::kFlex:
      break;
  }
  return nn::AttentionMode::kFlex;
}

at::Tensor audio_of(const FaceSequence& sequence, const at::Tensor& audio) {
  std::vector<int64_t> frames;
  for (const auto& face : sequence.faces) frames.push_back(static_cast<int64_t>(face.frame));
  return audio.index_select(0, at::tensor(frames, at::kLong).to(audio.device()));
}

// Nothing of a picture that holds NaN may be seen: it would be black.
void check_finite(const at::Tensor& images, c10::ScalarType dtype) {
  if (at::isfinite(images).all().item<bool>()) return;
  const std::string what = "The model's values exceed the range of " + precision_name(dtype);
  if (dtype == c10::kHalf) {
    throw Error(ErrorCode::kUnsupported, what + ": set precision=bfloat16 or precision=float32.");
  }
  throw Error(ErrorCode::kForeignModel, what + ": its weights are damaged, or not LatentSync's.");
}

// One sequence's way through the networks. REPORT takes the part of it that is done.
at::Tensor edit_sequence(const EditContext& context, const at::Tensor& crops,
                         const at::Tensor& audio, const std::function<void(double)>& report) {
  const auto& networks = context.networks;
  const auto& settings = context.settings;
  const Renderer renderer(*networks.vae, networks.dtype, settings.vae_batch, context.stop);
  const auto conditioning = timed(context.seconds.encode, networks.device, [&] {
    return renderer.encode(crops, context.mask, audio, context.posterior_noise);
  });
  report(kEncodePart);
  // The seed's noise is that of every window and face: nothing random is carried along.
  const auto generator = diffusion::make_generator(static_cast<uint64_t>(settings.seed));
  const auto& latents = conditioning.masked_latents;
  const auto noise =
      diffusion::initial_noise(generator, latents.size(1), latents.size(3), latents.size(4));
  UNetPredictor predictor(*networks.unet, attention_mode(settings.attention));
  const diffusion::DdimScheduler scheduler(settings.inference_steps, networks.scheduler);
  const auto denoised = timed(context.seconds.denoise, networks.device, [&] {
    return renderer.denoise(
        predictor, scheduler,
        {.guidance_scale = settings.guidance_scale, .cache_interval = settings.feature_cache},
        noise, conditioning, [&](int64_t done, int64_t steps, const at::Tensor&) {
          report(kEncodePart +
                 kDenoisePart * static_cast<double>(done) / static_cast<double>(steps));
        });
  });
  auto images =
      timed(context.seconds.decode, networks.device, [&] { return renderer.decode(denoised); });
  check_finite(images, networks.dtype);
  report(1);
  return images;
}

struct Paste {
  const PlacedFace* face;
  at::Tensor image;  // [3, R, R]
};

void paste(const Paste& paste, const FaceMask& mask, const kernels::ImageView& view) {
  const auto& face = *paste.face;
  const auto weights = kernels::soft_mask(face.crop_to_frame, mask.resolution, mask.resolution) *
                       mask.blend * face.weight;
  const auto device = device_of(view);
  kernels::paste_back(paste.image.to(device).contiguous(), kernels::ValueRange::kSigned,
                      weights.to(device, at::kFloat).contiguous(), face.crop_to_frame, view);
}

}  // namespace

at::Tensor take_crops(const FaceSequence& sequence, std::span<const kernels::ImageView> views,
                      int64_t resolution, c10::Device device) {
  const auto count = static_cast<int64_t>(sequence.faces.size());
  const auto crops =
      at::empty({count, 3, resolution, resolution}, at::TensorOptions(at::kFloat).device(device));
  for (int64_t i = 0; i < count; ++i) {
    const auto& face = sequence.faces[i];
    const auto& view = views[face.frame];
    const auto where = device_of(view);
    const auto crop = where == device ? crops[i]
                                      : at::empty({3, resolution, resolution},
                                                  at::TensorOptions(at::kFloat).device(where));
    kernels::warp_crop(view, face.crop_to_frame, kernels::ValueRange::kSigned, crop);
    if (where != device) crops[i].copy_(crop);
  }
  return crops;
}

std::vector<at::Tensor> edit_faces(const EditContext& context,
                                   std::span<const FaceSequence> sequences,
                                   std::span<const kernels::ImageView> views,
                                   const at::Tensor& audio) {
  double all = 0;
  for (const auto& sequence : sequences) all += static_cast<double>(sequence.faces.size());
  double done = 0;
  std::vector<at::Tensor> edited;
  for (const auto& sequence : sequences) {
    check_stop(context.stop);
    const auto crops = timed(context.seconds.face, context.networks.device, [&] {
      return take_crops(sequence, views, context.settings.resolution, context.networks.device);
    });
    const auto frames = static_cast<double>(sequence.faces.size());
    edited.push_back(edit_sequence(context, crops, audio_of(sequence, audio), [&](double part) {
      if (context.progress) context.progress((done + part * frames) / all);
    }));
    done += frames;
  }
  return edited;
}

void paste_faces(std::span<const FaceSequence> sequences, std::span<const at::Tensor> edited,
                 const FaceMask& mask, WindowFrames& frames) {
  std::map<size_t, std::vector<Paste>> by_frame;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto& faces = sequences[i].faces;
    for (size_t k = 0; k < faces.size(); ++k) {
      by_frame[faces[k].frame].push_back({&faces[k], edited[i][static_cast<int64_t>(k)]});
    }
  }
  for (const auto& [frame, pastes] : by_frame) {
    const auto view = frames.writable(frame);
    if (!view) raise(view.failure());
    for (const auto& one : pastes) paste(one, mask, *view);
    synchronize(device_of(*view));
  }
}

}  // namespace latentsync::lipsync
