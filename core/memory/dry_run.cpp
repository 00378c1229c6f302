#include "core/memory/dry_run.h"

#include "core/audio/whisper_encoder.h"
#include "core/diffusion/noise_predictor.h"
#include "core/face/blazeface.h"
#include "core/face/face_mesh.h"
#include "core/lipsync/render_settings.h"
#include "core/lipsync/renderer.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/parameter.h"
#include "core/nn/prepare.h"
#include "core/nn/taesd.h"
#include "core/nn/unet3d.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/InferenceMode.h>

namespace latentsync::memory {
namespace {

// Of an audio block's states a frame gets so many tokens, whatever the model.
constexpr int64_t kAudioTokens = 50;
// Bytes of a frame's pixel on the device of the face networks, at most, as three samples of 8 bits.
constexpr int64_t kFramePixelBytes = 3;
// The noise and its schedule, timestep encodings, mouth regions.
constexpr int64_t kTableBytes = 1 << 20;

at::Tensor empty(at::IntArrayRef sizes, c10::ScalarType dtype) {
  return at::empty(sizes, at::TensorOptions(c10::kMeta).dtype(dtype));
}

template <typename Network, typename... Arguments>
std::shared_ptr<Network> on_meta(c10::ScalarType dtype, Arguments&&... arguments) {
  const nn::ParametersOn meta(c10::kMeta, dtype);
  auto network = std::make_shared<Network>(std::forward<Arguments>(arguments)...);
  nn::prepare_for_inference(*network);
  return network;
}

int64_t weight_bytes(const nn::Module& network, Rounding rounding) {
  int64_t bytes = 0;
  for (const auto& tensor : network.parameters()) {
    bytes += rounded(static_cast<int64_t>(tensor.nbytes()), rounding);
  }
  for (const auto& tensor : network.buffers()) {
    bytes += rounded(static_cast<int64_t>(tensor.nbytes()), rounding);
  }
  return bytes;
}

// The blocks that a streamed UNet holds two of; the rest stays.
struct StreamedBytes {
  int64_t resident = 0;
  int64_t largest_block = 0;
};

StreamedBytes streamed_bytes(const nn::UNet3D& unet, Rounding rounding) {
  StreamedBytes bytes;
  const auto add_block = [&](const nn::Module& block) {
    bytes.largest_block = std::max(bytes.largest_block, weight_bytes(block, rounding));
  };
  for (const auto& child : unet.named_children()) {
    if (child.key() == "mid_block") {
      add_block(*child.value());
    } else if (child.key() == "down_blocks" || child.key() == "up_blocks") {
      for (const auto& block : child.value()->named_children()) add_block(*block.value());
    } else {
      bytes.resident += weight_bytes(*child.value(), rounding);
    }
  }
  return bytes;
}

// A whole evaluation and a cached one: every later step repeats one of them. What the steps of a
// window share is made for all of them, before the first.
struct Enough {};
void end_after_two_steps(int64_t done, int64_t, const at::Tensor&) {
  if (done == 2) throw Enough();
}

}  // namespace

int64_t part_frames(int64_t window_frames, int64_t most) {
  const int64_t frames = std::max<int64_t>(1, window_frames);
  const int64_t parts = (frames + most - 1) / most;
  return (frames + parts - 1) / parts;
}

class DryRun::Impl {
 public:
  Impl(const NetworkConfigs& configs, c10::ScalarType dtype, Rounding rounding)
      : dtype_(dtype),
        rounding_(rounding),
        unet_(on_meta<nn::UNet3D>(dtype, configs.unet)),
        whisper_(on_meta<audio::WhisperEncoder>(dtype, configs.whisper)),
        near_faces_(on_meta<face::BlazeFaceShortRange>(at::kFloat)),
        all_faces_(on_meta<face::BlazeFaceFullRange>(at::kFloat)),
        face_mesh_(on_meta<face::FaceMesh>(at::kFloat)) {
    if (configs.vae) {
      vae_ = on_meta<nn::AutoencoderKL>(dtype, *configs.vae);
    } else {
      vae_ = on_meta<nn::Taesd>(dtype);
    }
  }

  PlannedRung run(const Rung& rung, const RenderSettings& settings, int64_t window_frames,
                  int64_t width, int64_t height) {
    const int64_t frames = part_frames(window_frames, rung.window_frames);
    PlannedRung planned{.rung = rung, .weights = weights(rung)};
    planned.frames = frames_bytes(settings.resolution, frames);
    // Until the last face's crops are taken, beside the encoding of the others.
    const int64_t copies = copied_bytes(window_frames, width, height);
    planned.stages = {
        {"face", face_bytes() + copies},
        {"audio", audio_bytes() + copies},
        {"encode", encode_bytes(rung, settings.resolution, frames) + copies},
        {"denoise", denoise_bytes(rung, settings, frames)},
        {"decode", decode_bytes(rung, settings.resolution, frames)},
        {"paste", paste_bytes(settings.resolution, frames)},
    };
    int64_t largest = 0;
    for (const auto& stage : planned.stages) largest = std::max(largest, stage.bytes);
    planned.peak = planned.weights + planned.frames + largest;
    if (rounding_ == Rounding::kNone) planned.workspaces = largest_weight();
    return planned;
  }

 private:
  // What stays of a window from its encoding on.
  struct Held {
    lipsync::FaceMask mask;
    at::Tensor crops, audio;
    diffusion::Conditioning conditioning;
    at::Tensor denoised;
  };

  Held hold(int64_t resolution, int64_t frames) const {
    const int64_t edge = resolution / vae_->downscale_factor();
    const int64_t channels = vae_->latent_channels();
    Held held;
    held.crops = empty({frames, 3, resolution, resolution}, at::kFloat);
    held.mask = {.resolution = resolution,
                 .keep = empty({resolution, resolution}, at::kFloat),
                 .latent_keep = empty({edge, edge}, at::kFloat),
                 .blend = empty({resolution, resolution}, at::kFloat)};
    held.audio = empty({frames, kAudioTokens, whisper_->config().n_audio_state}, whisper_->dtype());
    const auto latents = [&] { return empty({1, channels, frames, edge, edge}, dtype_); };
    held.conditioning = {
        .mask = held.mask.latent_keep.to(dtype_).expand({1, 1, frames, edge, edge}),
        .masked_latents = latents(),
        .reference_latents = latents(),
        .audio_embeddings = held.audio};
    held.denoised = empty({1, channels, frames, edge, edge}, at::kFloat);
    return held;
  }

  // What WORK needs at its peak beside what PREPARE's result holds; remembered by KEY.
  template <typename Key, typename Prepare, typename Work>
  int64_t counted(std::map<Key, int64_t>& known, const Key& key, const Prepare& prepare,
                  const Work& work) {
    if (const auto found = known.find(key); found != known.end()) return found->second;
    const auto account = std::make_shared<Account>();
    const MetaScope scope(account, rounding_);
    const c10::InferenceMode inference;
    const auto held = prepare();
    const int64_t before = account->live();
    account->reset_peak();
    work(held);
    return known[key] = account->peak() - before;
  }

  int64_t weights(const Rung& rung) const {
    const auto bytes = [&](const nn::Module& network) { return weight_bytes(network, rounding_); };
    const int64_t faces = bytes(*near_faces_) + bytes(*all_faces_) + bytes(*face_mesh_);
    const int64_t others = bytes(*vae_) + bytes(*whisper_) + faces;
    int64_t unet = bytes(*unet_);
    if (rung.streamed_unet) {
      const auto streamed = streamed_bytes(*unet_, rounding_);
      unet = std::min(unet, streamed.resident + 2 * streamed.largest_block);
    }
    // A stage's network is there while it is used.
    return rung.host_networks ? std::max(unet, others) : unet + others;
  }

  // A CPU's libraries hold a rearranged copy of the weight that they multiply with.
  int64_t largest_weight() const {
    size_t bytes = 0;
    for (const auto& tensor : unet_->parameters()) bytes = std::max(bytes, tensor.nbytes());
    for (const auto& tensor : vae_->parameters()) bytes = std::max(bytes, tensor.nbytes());
    return static_cast<int64_t>(bytes);
  }

  int64_t frames_bytes(int64_t resolution, int64_t frames) const {
    const auto account = std::make_shared<Account>();
    const MetaScope scope(account, rounding_);
    const auto held = hold(resolution, frames);
    return account->live() + kTableBytes;
  }

  // Of the frames in system memory, on another device.
  int64_t copied_bytes(int64_t frames, int64_t width, int64_t height) const {
    if (rounding_ != Rounding::kCaching) return 0;
    return rounded(frames * width * height * kFramePixelBytes, rounding_);
  }

  int64_t face_bytes() {
    return counted(
        faces_, 0, [] { return at::Tensor(); },
        [&](const at::Tensor&) {
          const auto look = [&](face::BlazeFace& network) {
            const int64_t edge = network.input_size();
            return network.forward(empty({1, 3, edge, edge}, at::kFloat));
          };
          look(*near_faces_);
          look(*all_faces_);
          constexpr int64_t kEdge = face::FaceMesh::kInputSize;
          face_mesh_->forward(empty({1, 3, kEdge, kEdge}, at::kFloat));
        });
  }

  int64_t audio_bytes() {
    const auto& config = whisper_->config();
    return counted(
        audio_, 0,
        [&] {
          return empty({1, config.n_mels, 2 * config.n_audio_ctx}, dtype_);
        },
        [&](const at::Tensor& mel) { whisper_->forward(mel); });
  }

  lipsync::Renderer renderer(const Rung& rung) const {
    return lipsync::Renderer(*vae_, dtype_, {rung.vae_batch, rung.vae_tile});
  }

  int64_t encode_bytes(const Rung& rung, int64_t resolution, int64_t frames) {
    return counted(
        encode_, std::tuple(rung.vae_batch, rung.vae_tile, resolution, frames),
        [&] { return hold(resolution, frames); },
        [&](const Held& held) { renderer(rung).encode(held.crops, held.mask, held.audio); });
  }

  int64_t decode_bytes(const Rung& rung, int64_t resolution, int64_t frames) {
    const int64_t edge = resolution / vae_->downscale_factor();
    return counted(
        decode_, std::tuple(rung.vae_batch, rung.vae_tile, resolution, frames),
        [&] {
          return empty({1, vae_->latent_channels(), frames, edge, edge}, at::kFloat);
        },
        [&](const at::Tensor& latents) {
          const auto images = renderer(rung).decode(latents);
          at::isfinite(images).all();
        });
  }

  int64_t denoise_bytes(const Rung& rung, const RenderSettings& settings, int64_t frames) {
    const bool guided = settings.guidance_scale > 1;
    return counted(
        denoise_,
        std::tuple(rung.feed_forward_chunks, rung.score_bytes, rung.two_passes && guided, guided,
                   settings.feature_cache > 1, static_cast<int>(settings.attention),
                   settings.inference_steps, settings.resolution, frames),
        [&] { return hold(settings.resolution, frames); },
        [&](const Held& held) {
          diffusion::NetworkPredictor predictor(
              *unet_, lipsync::attention_mode(settings.attention),
              {.feed_forward_chunks = rung.feed_forward_chunks, .score_bytes = rung.score_bytes});
          const diffusion::DdimScheduler scheduler(std::max<int64_t>(1, settings.inference_steps));
          const auto& latents = held.conditioning.masked_latents;
          const auto noise =
              empty({1, latents.size(1), 1, latents.size(3), latents.size(4)}, at::kFloat);
          try {
            renderer(rung).denoise(predictor, scheduler,
                                   {.guidance_scale = settings.guidance_scale,
                                    .cache_interval = settings.feature_cache,
                                    .batch_guidance = !rung.two_passes},
                                   noise, held.conditioning, end_after_two_steps);
          } catch (const Enough&) {
          }
        });
  }

  // The images, and each frame's weights, made in three steps.
  int64_t paste_bytes(int64_t resolution, int64_t frames) const {
    const int64_t plane = resolution * resolution * static_cast<int64_t>(sizeof(float));
    return rounded(3 * frames * plane, rounding_) + frames * rounded(plane, rounding_) +
           2 * rounded(plane, rounding_);
  }

  c10::ScalarType dtype_;
  Rounding rounding_;
  std::shared_ptr<nn::UNet3D> unet_;
  std::shared_ptr<audio::WhisperEncoder> whisper_;
  std::shared_ptr<face::BlazeFaceShortRange> near_faces_;
  std::shared_ptr<face::BlazeFaceFullRange> all_faces_;
  std::shared_ptr<face::FaceMesh> face_mesh_;
  std::shared_ptr<nn::Vae> vae_;
  std::map<int, int64_t> faces_, audio_;
  std::map<std::tuple<int64_t, int64_t, int64_t, int64_t>, int64_t> encode_, decode_;
  std::map<std::tuple<int64_t, int64_t, bool, bool, bool, int, int64_t, int64_t, int64_t>, int64_t>
      denoise_;
};

DryRun::DryRun(const NetworkConfigs& configs, c10::ScalarType dtype, Rounding rounding)
    : impl_(std::make_unique<Impl>(configs, dtype, rounding)) {}

DryRun::~DryRun() = default;

PlannedRung DryRun::run(const Rung& rung, const RenderSettings& settings, int64_t window_frames,
                        int64_t width, int64_t height) {
  return impl_->run(rung, settings, window_frames, width, height);
}

}  // namespace latentsync::memory
