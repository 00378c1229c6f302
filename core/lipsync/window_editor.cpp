#include "core/lipsync/window_editor.h"

#include "core/diffusion/noise.h"
#include "core/error.h"
#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/stage_timer.h"
#include "kernels/warp_crop/warp_crop.h"

#include <algorithm>
#include <map>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

namespace latentsync::lipsync {
namespace {

// How much of a sequence's work is done, by what the stages of the published networks cost, in
// multiplications of a frame.
class SequenceWork {
 public:
  SequenceWork(const Networks& networks, const RenderSettings& settings)
      : encode_(networks.info.vae == "full" ? 0.55 : 0.03),
        decode_(networks.info.vae == "full" ? 0.62 : 0.04),
        evaluation_(settings.guidance_scale > 1 ? 2 : 1),
        interval_(std::max<int64_t>(settings.feature_cache, 1)),
        whole_(encode_ + denoise(settings.inference_steps) + decode_) {}

  RenderProgress encoded(int64_t done, int64_t batches) const {
    return report("encode", encode_ * done / batches, done, batches);
  }
  RenderProgress denoised(int64_t done, int64_t steps) const {
    return report("denoise", encode_ + denoise(done), done, steps);
  }
  RenderProgress decoded(int64_t done, int64_t batches) const {
    return report("decode", whole_ - decode_ + decode_ * done / batches, done, batches);
  }

 private:
  // Of so many steps: one in interval_ evaluates the whole network, the others its last layer.
  double denoise(int64_t steps) const {
    const int64_t full = (steps + interval_ - 1) / interval_;
    return evaluation_ * (0.253 * static_cast<double>(full) + 0.016 * (steps - full));
  }
  RenderProgress report(const char* stage, double work, int64_t done, int64_t steps) const {
    return {.part = std::min(1.0, work / whole_), .stage = stage, .step = done, .steps = steps};
  }

  double encode_, decode_, evaluation_;
  int64_t interval_;
  double whole_;
};

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

at::Tensor audio_of(const FaceSequence& sequence, const at::Tensor& audio, size_t frame_count) {
  std::vector<int64_t> rows;
  for (const auto& face : sequence.faces) {
    rows.push_back(static_cast<int64_t>(face.frame + (face.later ? frame_count : 0)));
  }
  return audio.index_select(0, at::tensor(rows, at::kLong).to(audio.device()));
}

kernels::ImageView field_view(kernels::ImageView view, kernels::Field field) {
  view.field = field;
  return view;
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

// One sequence's way through the networks. REPORT's part is that of the sequence.
at::Tensor edit_sequence(const EditContext& context, const at::Tensor& crops,
                         const at::Tensor& audio, const RenderProgressCallback& report) {
  const auto& networks = context.networks;
  const auto& settings = context.settings;
  const Renderer renderer(*networks.vae, networks.dtype, settings.vae_batch, context.stop);
  const SequenceWork work(networks, settings);
  const auto conditioning = timed(context.seconds.encode, networks.device, [&] {
    return renderer.encode(
        crops, context.mask, audio, context.posterior_noise,
        [&](int64_t done, int64_t batches) { report(work.encoded(done, batches)); });
  });
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
          report(work.denoised(done, steps));
        });
  });
  auto images = timed(context.seconds.decode, networks.device, [&] {
    return renderer.decode(
        denoised, [&](int64_t done, int64_t batches) { report(work.decoded(done, batches)); });
  });
  check_finite(images, networks.dtype);
  return images;
}

kernels::PreparedPaste prepare_paste(const PlacedFace& face, const at::Tensor& image,
                                     const FaceMask& mask, const kernels::ImageView& view) {
  const auto weights = kernels::soft_mask(face.crop_to_frame, mask.resolution, mask.resolution) *
                       mask.blend * face.weight;
  const auto device = device_of(view);
  return {image.to(device).contiguous(), kernels::ValueRange::kSigned,
          weights.to(device, at::kFloat).contiguous(), face.crop_to_frame,
          field_view(view, face.field)};
}

}  // namespace

at::Tensor take_crops(const FaceSequence& sequence, std::span<const kernels::ImageView> views,
                      int64_t resolution, c10::Device device) {
  const auto count = static_cast<int64_t>(sequence.faces.size());
  const auto crops =
      at::empty({count, 3, resolution, resolution}, at::TensorOptions(at::kFloat).device(device));
  for (int64_t i = 0; i < count; ++i) {
    const auto& face = sequence.faces[i];
    const auto view = field_view(views[face.frame], face.field);
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
    const auto report = [&](RenderProgress progress) {
      if (!context.progress) return;
      progress.part = (done + progress.part * frames) / all;
      context.progress(progress);
    };
    edited.push_back(
        edit_sequence(context, crops, audio_of(sequence, audio, views.size()), report));
    done += frames;
  }
  return edited;
}

Pasting::Pasting(std::span<const FaceSequence> sequences, std::span<const at::Tensor> edited,
                 const FaceMask& mask, std::span<const kernels::ImageView> views) {
  std::map<size_t, std::vector<kernels::PreparedPaste>> by_frame;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto& faces = sequences[i].faces;
    for (size_t k = 0; k < faces.size(); ++k) {
      const auto& face = faces[k];
      by_frame[face.frame].push_back(
          prepare_paste(face, edited[i][static_cast<int64_t>(k)], mask, views[face.frame]));
    }
  }
  for (auto& [frame, pastes] : by_frame) frames_.push_back({frame, std::move(pastes)});
}

void Pasting::write(WindowFrames& frames) {
  for (auto& [frame, pastes] : frames_) {
    const auto view = frames.writable(frame);
    if (!view) raise(view.failure());
    for (auto& paste : pastes) paste.write(*view);
    synchronize(device_of(*view));
  }
}

}  // namespace latentsync::lipsync
