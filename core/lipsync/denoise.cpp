#include "core/lipsync/denoise.h"

#include "core/device/transfer.h"
#include "core/diffusion/noise.h"
#include "core/error.h"
#include "core/lipsync/device.h"
#include "core/lipsync/render_settings.h"

#include <string>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>

namespace latentsync::lipsync {
namespace {

// Nothing of a picture that holds NaN may be seen: it would be black.
[[noreturn]] void refuse_values(c10::ScalarType dtype) {
  const std::string what = "The model's values exceed the range of " + precision_name(dtype);
  if (dtype == c10::kHalf) {
    throw Error(ErrorCode::kUnsupported, what + ": set precision=bfloat16 or precision=float32.");
  }
  throw Error(ErrorCode::kForeignModel, what + ": its weights are damaged, or not LatentSync's.");
}

diffusion::Conditioning part_of(const diffusion::Conditioning& whole, FaceRange part) {
  const auto begin = static_cast<int64_t>(part.begin);
  const auto count = static_cast<int64_t>(part.end - part.begin);
  return {.mask = whole.mask.narrow(2, begin, count),
          .masked_latents = whole.masked_latents.narrow(2, begin, count),
          .reference_latents = whole.reference_latents.narrow(2, begin, count),
          .audio_embeddings = whole.audio_embeddings.narrow(0, begin, count)};
}

// One sequence's way from its conditioning to its latents.
class FaceDenoising {
 public:
  FaceDenoising(const WindowContext& context, size_t number, const FaceSequence& sequence,
                const diffusion::Conditioning& conditioning, size_t frames)
      : context_(context),
        number_(number),
        sequence_(sequence),
        conditioning_(conditioning),
        frames_(frames) {}

  at::Tensor latents() const {
    return context_.device.at_rung([&](const Rung& rung) {
      const auto parts = parts_of(sequence_, frames_, static_cast<size_t>(rung.window_frames));
      std::vector<at::Tensor> latents;
      for (size_t i = 0; i < parts.size(); ++i) {
        latents.push_back(denoise_part(rung, parts[i], i, parts.size()));
      }
      return context_.device.launch(context_.seconds.denoise, [&] {
        return at::cat(latents, 2).to(context_.networks.dtype);
      });
    });
  }

 private:
  at::Tensor denoise_part(const Rung& rung, FaceRange range, size_t part, size_t parts) const {
    const auto& networks = context_.networks;
    const auto& settings = context_.settings;
    const auto conditioning = part_of(conditioning_, range);
    // The seed's noise is that of every window and face: nothing random is carried along.
    const auto generator = diffusion::make_generator(static_cast<uint64_t>(settings.seed));
    const auto& latents = conditioning.masked_latents;
    const auto noise =
        diffusion::initial_noise(generator, latents.size(1), latents.size(3), latents.size(4));
    diffusion::NetworkPredictor predictor(
        *networks.unet, attention_mode(settings.attention),
        {.feed_forward_chunks = rung.feed_forward_chunks, .score_bytes = rung.score_bytes});
    diffusion::Denoiser denoiser(
        predictor, diffusion::DdimScheduler(settings.inference_steps, networks.scheduler),
        {.guidance_scale = settings.guidance_scale,
         .cache_interval = settings.feature_cache,
         .batch_guidance = !rung.two_passes});
    const auto report = [&](int64_t done, int64_t steps, const at::Tensor&) {
      context_.progress.denoised(number_, static_cast<int64_t>(part) * steps + done,
                                 static_cast<int64_t>(parts) * steps);
    };
    return denoiser.run(noise, conditioning, report, context_.stop,
                        context_.unet_runner(rung, context_.seconds.denoise));
  }

  const WindowContext& context_;
  size_t number_;
  const FaceSequence& sequence_;
  const diffusion::Conditioning& conditioning_;
  size_t frames_;
};

// On their way to where they are used.
struct DecodedFace {
  at::Tensor images;
  at::Tensor finite;  ///< bool in host memory
};

// The images of a sequence, the window's NUMBERth, as the networks give them: their precision takes
// half of the memory and loses nothing.
DecodedFace decode_face(const WindowContext& context, size_t number, const at::Tensor& latents,
                        c10::Device where) {
  const auto report = [&](int64_t done, int64_t batches) {
    context.progress.decoded(number, done, batches);
  };
  return context.device.at_rung([&](const Rung& rung) {
    const auto images =
        make_renderer(context, rung)
            .decode(latents, report, context.vae_runner(rung, context.seconds.decode));
    const auto dtype = context.networks.dtype;
    return context.device.launch(context.seconds.decode, [&] {
      return DecodedFace{where.is_cpu() ? device::to_host(images, dtype) : images.to(dtype),
                         device::to_host(at::isfinite(images).all(), at::kBool)};
    });
  });
}

}  // namespace

std::vector<FaceRange> parts_of(const FaceSequence& sequence, size_t frames, size_t most) {
  const size_t count = (frames + most - 1) / most;
  std::vector<FaceRange> parts;
  size_t begin = 0;
  for (size_t part = 1; part <= count; ++part) {
    const size_t last = part * frames / count;  // frame of the window behind the part
    size_t end = begin;
    while (end < sequence.faces.size() && sequence.faces[end].frame < last) ++end;
    if (end > begin) parts.push_back({begin, end});
    begin = end;
  }
  return parts;
}

std::vector<at::Tensor> denoise_faces(const WindowContext& context,
                                      std::span<const FaceSequence> sequences,
                                      std::span<const diffusion::Conditioning> conditioning,
                                      size_t frames) {
  std::vector<at::Tensor> latents;
  for (size_t i = 0; i < sequences.size(); ++i) {
    check_stop(context.stop);
    const FaceDenoising face(context, i, sequences[i], conditioning[i], frames);
    latents.push_back(face.latents());
  }
  return latents;
}

std::vector<at::Tensor> decode_faces(const WindowContext& context,
                                     std::span<const at::Tensor> latents, c10::Device where) {
  std::vector<DecodedFace> faces;
  for (size_t i = 0; i < latents.size(); ++i) {
    check_stop(context.stop);
    faces.push_back(decode_face(context, i, latents[i], where));
  }
  context.device.wait();
  std::vector<at::Tensor> images;
  for (auto& face : faces) {
    if (!*face.finite.const_data_ptr<bool>()) refuse_values(context.networks.dtype);
    images.push_back(std::move(face.images));
  }
  return images;
}

}  // namespace latentsync::lipsync
