#include "tests/memory/plan_check.h"

#include "core/audio/whisper_encoder.h"
#include "core/diffusion/noise_predictor.h"
#include "core/lipsync/renderer.h"
#include "core/memory/account.h"
#include "core/memory/dry_run.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/prepare.h"
#include "core/nn/unet3d.h"

#include <iostream>
#include <memory>
#include <set>
#include <string>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using namespace memory;

constexpr int64_t kMiB = 1 << 20;

/// The networks with random weights that are not packed, on an account of their own: layers then do
/// what they do on a GPU.
class MeasuredModel {
 public:
  explicit MeasuredModel(const NetworkConfigs& configs) : account_(std::make_shared<Account>()) {
    const AccountScope scope(account_);
    unet_ = random<nn::UNet3D>(configs.unet);
    vae_ = random<nn::AutoencoderKL>(*configs.vae);
    whisper_ = random<audio::WhisperEncoder>(configs.whisper);
    weights_ = account_->live();
  }

  int64_t weights() const { return weights_; }

  struct Measured {
    int64_t peak;
    at::Tensor images;
  };

  /// A window's stages, as a session runs them.
  Measured render(const Rung& rung, const RenderSettings& settings, int64_t window_frames) {
    const c10::InferenceMode inference;
    const AccountScope scope(account_);
    account_->reset_peak();
    const int64_t frames = part_frames(window_frames, rung.window_frames);
    const int64_t edge = settings.resolution / 8;
    at::Tensor images;
    {
      whisper_->forward(normal({1, whisper_->config().n_mels, 2 * whisper_->config().n_audio_ctx}));
      const auto audio = normal({frames, 50, whisper_->config().n_audio_state});
      const auto crops = normal({frames, 3, settings.resolution, settings.resolution});
      const auto mask = lipsync::FaceMask::make(settings.resolution, c10::kCPU);
      const lipsync::Renderer renderer(*vae_, at::kFloat, {rung.vae_batch, rung.vae_tile});
      const auto conditioning = renderer.encode(crops, mask, audio);
      diffusion::NetworkPredictor predictor(
          *unet_, nn::AttentionMode::kFlex,
          {.feed_forward_chunks = rung.feed_forward_chunks, .score_bytes = rung.score_bytes});
      const auto latents = renderer.denoise(predictor, diffusion::DdimScheduler(2),
                                            {.guidance_scale = settings.guidance_scale,
                                             .cache_interval = settings.feature_cache,
                                             .batch_guidance = !rung.two_passes},
                                            normal({1, 4, 1, edge, edge}), conditioning);
      images = renderer.decode(latents);
      EXPECT_TRUE(at::isfinite(images).all().item<bool>());
    }
    return {account_->peak(), images};
  }

 private:
  template <typename Network, typename Config>
  static std::shared_ptr<Network> random(const Config& config) {
    auto network = std::make_shared<Network>(config);
    nn::initialise_parameters(*network, 1);
    for (auto& parameter : network->parameters()) parameter.requires_grad_(false);
    return network;
  }

  static at::Tensor normal(at::IntArrayRef sizes) {
    return at::randn(sizes, at::make_generator<at::CPUGeneratorImpl>(7), at::kFloat);
  }

  std::shared_ptr<Account> account_;
  std::shared_ptr<nn::UNet3D> unet_;
  std::shared_ptr<nn::AutoencoderKL> vae_;
  std::shared_ptr<audio::WhisperEncoder> whisper_;
  int64_t weights_ = 0;
};

}  // namespace

void check_plan(const NetworkConfigs& configs, PlanInput input, size_t least_rungs) {
  Planner planner(configs, false);
  input.memory.vram_budget = 1 << 20;
  const auto ladder = planner.plan(input).ladder;
  MeasuredModel model(configs);
  std::set<std::string> rungs;
  at::Tensor first;
  for (const auto& wanted : ladder) {
    input.memory.vram_budget = wanted.peak / kMiB + 1;
    const auto plan = planner.plan(input);
    ASSERT_TRUE(plan.fits());
    const auto& planned = plan.rung();
    if (!rungs.insert(planned.rung.name).second) continue;
    SCOPED_TRACE(planned.rung.name);
    const auto measured = model.render(planned.rung, input.settings, input.window_frames);
    // The face networks are not part of this model.
    const int64_t expected = planned.peak - (planned.weights - model.weights());
    const auto ratio = static_cast<double>(expected) / static_cast<double>(measured.peak);
    std::cout << planned.rung.name << ": planned " << expected / 1024 << " KiB, measured "
              << measured.peak / 1024 << " KiB, " << ratio << ", without the weights "
              << (expected - model.weights()) / 1024 << " and "
              << (measured.peak - model.weights()) / 1024 << std::endl;
    EXPECT_LE(measured.peak, expected);
    EXPECT_LE(ratio, 1.15);
    if (!first.defined()) first = measured.images.clone();
    if (planned.rung.window_frames == input.window_frames) {
      EXPECT_LT((measured.images - first).abs().max().item<double>(), 1e-3);
    }
  }
  EXPECT_GE(rungs.size(), least_rungs);
}

}  // namespace latentsync::test
