#include "tests/bench/stages.h"

#include "core/audio/log_mel.h"
#include "core/audio/whisper_encoder.h"
#include "core/device/executor.h"
#include "core/diffusion/denoiser.h"
#include "core/diffusion/noise.h"
#include "core/lipsync/residency.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/prepare.h"
#include "core/nn/taesd.h"
#include "core/nn/unet3d.h"
#include "kernels/group_norm/group_norm.h"
#include "kernels/temporal_attention/temporal_attention.h"

#include <memory>
#include <random>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

namespace latentsync::bench {
namespace {

constexpr int64_t kSeed = 1;
constexpr int64_t kTimestep = 401;
constexpr int64_t kFeatureRows = 10;   // of Whisper's output, for one frame
constexpr int64_t kBlockSeconds = 30;  // of audio in one evaluation of Whisper's encoder
// How windows are denoised by default: of the published checkpoints, and of the demo model.
constexpr int64_t kRealSteps = 20, kRealCacheInterval = 3;
constexpr int64_t kDemoSteps = 2, kDemoCacheInterval = 0;  // 0: off
constexpr double kGuidanceScale = 1.5;

nn::UNet3DConfig unet_config(bool real) {
  nn::UNet3DConfig config;
  if (real) return config;
  config.block_out_channels = {64, 64, 96, 96};
  config.layers_per_block = 1;
  config.attention_heads = 2;
  config.cross_attention_dim = 128;
  config.cross_attention_blocks = {false, true, true, true};
  config.motion_down_blocks = {false, false, false, false};
  config.motion_up_blocks = {true, true, true, false};
  config.motion_heads = 2;
  return config;
}

nn::WhisperConfig whisper_config(bool real) {
  nn::WhisperConfig config;
  if (real) return config;
  config.n_audio_state = 128;
  config.n_audio_head = 4;
  config.n_audio_layer = 3;
  return config;
}

at::Tensor random(at::IntArrayRef shape, const StageOptions& options) {
  return at::randn(shape, diffusion::make_generator(kSeed), at::kFloat)
      .to(options.device, options.dtype);
}

// On a GPU that takes no time; by nn::initialise_parameters() a UNet of the published size takes
// many seconds, and the values have no effect on the times.
void fill_on_device(const nn::Module& network) {
  constexpr double kDeviation = 0.02;
  for (const auto& parameter : network.parameters()) parameter.detach().normal_(0, kDeviation);
}

// A network on its device, with random weights, ready for inference.
template <typename Network>
std::shared_ptr<Network> ready(std::shared_ptr<Network> network, const StageOptions& options) {
  network->to(options.device, options.dtype);
  if (options.device.is_cpu()) {
    nn::initialise_parameters(*network, kSeed);
  } else {
    fill_on_device(*network);
  }
  for (auto& buffer : network->buffers()) buffer.zero_();
  if (options.packed) {
    nn::prepare_for_inference(*network);
  } else {
    for (auto& parameter : network->parameters()) {
      parameter.requires_grad_(false);
      if (parameter.dim() == 4) {
        parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
      }
    }
  }
  return network;
}

int64_t count_parameters(const nn::Module& network) {
  int64_t count = 0;
  for (const auto& parameter : network.parameters()) count += parameter.numel();
  return count;
}

struct UNetInputs {
  at::Tensor sample;            // [1, 13, F, h, w]
  at::Tensor audio_embeddings;  // [F, tokens, features]
};

UNetInputs unet_inputs(const nn::UNet3DConfig& config, const StageOptions& options) {
  const int64_t tokens = kFeatureRows * (whisper_config(options.real).n_audio_layer + 1);
  const int64_t side = options.edge / 8;
  return {random({1, config.in_channels, options.frames, side, side}, options),
          random({options.frames, tokens, config.cross_attention_dim}, options)};
}

Stage make_log_mel(const StageOptions& options) {
  auto samples = std::make_shared<std::vector<float>>(kBlockSeconds * audio::kSampleRate);
  std::mt19937 generator(kSeed);
  std::uniform_real_distribution<float> uniform(-0.5F, 0.5F);
  for (float& sample : *samples) sample = uniform(generator);
  auto log_mel = std::make_shared<audio::LogMel>(options.device);
  return {[=] { log_mel->whole_clip(*samples); }, 0};
}

Stage make_whisper(const StageOptions& options) {
  const auto config = whisper_config(options.real);
  auto encoder = std::make_shared<audio::WhisperEncoder>(config);
  const auto parameters = count_parameters(*encoder);
  ready(encoder, options);
  const auto mel = random({1, config.n_mels, 2 * config.n_audio_ctx}, options);
  return {[=] { encoder->forward(mel); }, parameters};
}

template <typename Vae>
Stage make_encode(std::shared_ptr<Vae> vae, const StageOptions& options) {
  const auto parameters = count_parameters(*vae);
  ready(vae, options);
  const auto images = random({options.frames, 3, options.edge, options.edge}, options);
  return {[=] { vae->encode_images(images); }, parameters};
}

template <typename Vae>
Stage make_decode(std::shared_ptr<Vae> vae, const StageOptions& options, int64_t tile = 0) {
  const auto parameters = count_parameters(*vae);
  ready(vae, options);
  const auto latents = random({options.frames, 4, options.edge / 8, options.edge / 8}, options);
  return {[=] { vae->decode_latents(latents, tile); }, parameters};
}

// A kernel of this project (OWN) or the same by ATen, at the largest and the smallest size that it
// has in a window of the published networks with guidance.
Stage make_temporal_attention(const StageOptions& options, bool own) {
  constexpr int64_t kHeads = 8;
  const int64_t side = options.edge / 8;
  const int64_t rows = 2 * options.frames;
  const auto large = random({rows, side * side, 320}, options);
  const auto small = random({rows, side * side / 64, 1280}, options);
  const auto attend = own ? kernels::temporal_attention : kernels::temporal_attention_composite;
  return {[=, frames = options.frames] {
            attend(large, large, large, kHeads, frames);
            attend(small, small, small, kHeads, frames);
          },
          0};
}

Stage make_group_norm(const StageOptions& options, bool own) {
  constexpr int64_t kGroups = 32;
  constexpr double kEps = 1e-6;
  const auto image = [&](int64_t channels, int64_t side) {
    return random({options.frames, channels, side, side}, options)
        .contiguous(at::MemoryFormat::ChannelsLast);
  };
  const auto latents = image(320, options.edge / 8);
  const auto pixels = image(128, options.edge);
  const auto scale = random({320}, options);
  const auto normalise = own ? kernels::group_norm : kernels::group_norm_composite;
  return {[=, frames = options.frames] {
            normalise(latents, {}, scale, scale, kGroups, frames, kEps, true);
            const auto narrow = scale.narrow(0, 0, 128);
            normalise(pixels, {}, narrow, narrow, kGroups, 1, kEps, true);
          },
          0};
}

Stage make_unet(const StageOptions& options, bool cached) {
  auto unet = std::make_shared<nn::UNet3D>(unet_config(options.real));
  const auto parameters = count_parameters(*unet);
  ready(unet, options);
  const auto inputs = unet_inputs(unet->config(), options);
  auto cache = std::make_shared<nn::FeatureCache>();
  if (cached) {
    const c10::InferenceMode inference;
    unet->forward(inputs.sample, kTimestep, inputs.audio_embeddings, nn::CacheUse::kStore,
                  cache.get());
  }
  const auto use = cached ? nn::CacheUse::kReuse : nn::CacheUse::kNone;
  return {
      [=] { unet->forward(inputs.sample, kTimestep, inputs.audio_embeddings, use, cache.get()); },
      parameters};
}

// One evaluation whose blocks come from the host's memory, as on the rung streamed-unet.
Stage make_streamed_unet(const StageOptions& options) {
  auto unet = std::make_shared<nn::UNet3D>(unet_config(options.real));
  const auto parameters = count_parameters(*unet);
  ready(unet, options);
  const auto inputs = unet_inputs(unet->config(), options);
  auto residency = std::make_shared<lipsync::Residency>(
      unet, std::vector<std::shared_ptr<nn::Module>>{}, options.device);
  Rung rung;
  rung.streamed_unet = true;
  return {[=] {
            device::Executor::of(options.device).run({}, [&] {
              const c10::InferenceMode inference;
              residency->use_unet(rung);
              unet->forward(inputs.sample, kTimestep, inputs.audio_embeddings);
            });
          },
          parameters};
}

// What the device can do: the share of this rate is how near the networks are to the device's
// limit.
Stage make_matmul(const StageOptions& options) {
  const int64_t side = options.device.is_cpu() ? 1024 : 8192;
  const auto a = random({side, side}, options);
  const auto b = random({side, side}, options);
  constexpr double kOperations = 2;
  const auto length = static_cast<double>(side);
  return {[=] { at::mm(a, b); }, 0, kOperations * length * length * length};
}

// The denoising of one window with guidance; CACHED: with the model's own feature cache.
Stage make_window(const StageOptions& options, bool cached) {
  auto unet = std::make_shared<nn::UNet3D>(unet_config(options.real));
  const auto parameters = count_parameters(*unet);
  ready(unet, options);
  auto predictor =
      std::make_shared<diffusion::NetworkPredictor<nn::UNet3D>>(*unet, nn::AttentionMode::kFlash);
  const diffusion::DdimScheduler scheduler(options.real ? kRealSteps : kDemoSteps);
  auto denoiser = std::make_shared<diffusion::Denoiser>(
      *predictor, scheduler,
      diffusion::DenoiseOptions{
          .guidance_scale = kGuidanceScale,
          .cache_interval = cached && options.real ? kRealCacheInterval : kDemoCacheInterval});

  const int64_t side = options.edge / 8;
  const diffusion::Conditioning conditioning{
      .mask = random({1, 1, options.frames, side, side}, options),
      .masked_latents = random({1, 4, options.frames, side, side}, options),
      .reference_latents = random({1, 4, options.frames, side, side}, options),
      .audio_embeddings = unet_inputs(unet->config(), options).audio_embeddings};
  const auto noise = diffusion::initial_noise(diffusion::make_generator(kSeed), 4, side, side);
  // The predictor refers to the network and the denoiser to the predictor: both are kept here.
  return {[=] {
            static_cast<void>(unet);
            static_cast<void>(predictor);
            denoiser->run(noise, conditioning);
          },
          parameters};
}

}  // namespace

const std::vector<StageMaker>& stages() {
  static const std::vector<StageMaker> all = {
      {"log_mel", "log-mel of 30 s", make_log_mel},
      {"whisper", "Whisper's encoder, 30 s", make_whisper},
      {"vae_encode", "AutoencoderKL, every frame",
       [](const auto& o) {
         return make_encode(std::make_shared<nn::AutoencoderKL>(nn::AutoencoderKLConfig{}), o);
       }},
      {"vae_decode", "AutoencoderKL, every frame",
       [](const auto& o) {
         return make_decode(std::make_shared<nn::AutoencoderKL>(nn::AutoencoderKLConfig{}), o);
       }},
      {"vae_decode_tiles", "AutoencoderKL, every frame, in tiles of half the edge",
       [](const auto& o) {
         return make_decode(std::make_shared<nn::AutoencoderKL>(nn::AutoencoderKLConfig{}), o,
                            o.edge / 2);
       }},
      {"taesd_encode", "TAESD, every frame",
       [](const auto& o) { return make_encode(std::make_shared<nn::Taesd>(), o); }},
      {"taesd_decode", "TAESD, every frame",
       [](const auto& o) { return make_decode(std::make_shared<nn::Taesd>(), o); }},
      {"unet", "one evaluation, batch 1", [](const auto& o) { return make_unet(o, false); }},
      {"unet_cached", "one DeepCache evaluation, batch 1",
       [](const auto& o) { return make_unet(o, true); }},
      {"unet_streamed", "one evaluation, batch 1, the blocks from the host's memory",
       make_streamed_unet},
      {"window", "all steps with guidance 1.5; real size: with DeepCache 3",
       [](const auto& o) { return make_window(o, true); }},
      {"window_plain", "all steps with guidance 1.5, without DeepCache",
       [](const auto& o) { return make_window(o, false); }},
      {"temporal_attention", "the kernel on 320 and 1280 channels",
       [](const auto& o) { return make_temporal_attention(o, true); }},
      {"temporal_attention_aten", "the same by ATen",
       [](const auto& o) { return make_temporal_attention(o, false); }},
      {"group_norm", "the kernel on 320 channels of latents and 128 of pixels",
       [](const auto& o) { return make_group_norm(o, true); }},
      {"group_norm_aten", "the same by ATen",
       [](const auto& o) { return make_group_norm(o, false); }},
      {"matmul", "two square matrices, 8192 (on a CPU 1024)", make_matmul},
  };
  return all;
}

}  // namespace latentsync::bench
