#include "examples/train/unet_training.h"

#include "core/diffusion/ddim.h"
#include "core/nn/prepare.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/where.h>

namespace latentsync::train {
namespace {

constexpr double kOutsideWeight = 0.3;
constexpr double kLipsWeight = 3;
constexpr int64_t kNearestReference = 6;  // frames; at inference it is the frame itself
constexpr double kLowestSnr = 0.3, kHighestSnr = 5;

// [N] -> [N, 1, 1, 1]
at::Tensor per_image(const at::Tensor& x) { return x.view({-1, 1, 1, 1}); }

}  // namespace

void initialise_unet(nn::UNet3D& unet, int64_t seed) {
  const at::NoGradGuard no_grad;
  nn::initialise_parameters(unet, seed);
  const auto latents = unet.config().out_channels;
  const auto last = unet.config().layers_per_block;
  const auto stages = static_cast<int64_t>(unet.config().block_out_channels.size());
  const std::string last_resnet =
      "up_blocks." + std::to_string(stages - 1) + ".resnets." + std::to_string(last);
  for (auto& item : unet.named_parameters()) {
    auto& weight = item.value();
    const auto& name = item.key();
    const bool branch_end =
        name.ends_with("weight") &&
        (name.find(".conv2.") != std::string::npos || name.find("proj_out.") != std::string::npos);
    if (branch_end) weight.zero_();
    if (name == "conv_in.weight") {
      for (int64_t c = 0; c < latents; ++c) {
        weight.narrow(0, 2 * c, 2).zero_();
        weight[2 * c][c][1][1] = 1;
        weight[2 * c + 1][c][1][1] = -1;
      }
    } else if (name == last_resnet + ".conv_shortcut.weight") {
      const auto before = weight.size(1) - weight.size(0);  // in front of the skip connection
      weight.narrow(0, 0, 2 * latents).zero_();
      for (int64_t c = 0; c < 2 * latents; ++c) weight[c][before + c][0][0] = 1;
    } else if (name == "conv_out.weight") {
      weight.zero_();
      for (int64_t c = 0; c < latents; ++c) {
        weight[c][2 * c][1][1] = 1;
        weight[c][2 * c + 1][1][1] = -1;
      }
    }
  }
}

NoisyLatents with_noise(const at::Tensor& x0, const at::Tensor& noise, const at::Tensor& alpha,
                        const at::Tensor& begins) {
  const auto signal = alpha.sqrt() * x0, height = (1 - alpha).sqrt();
  const auto sample = at::where(begins, noise, signal + height * noise);
  return {sample, (sample - signal) / height};
}

UNetTraining::UNetTraining(std::shared_ptr<nn::UNet3D> unet, const LatentPool& pool,
                           const AudioStore& audio, std::shared_ptr<MouthReader> reader,
                           ImageCoder& coder, const UNetTrainingOptions& options)
    : unet_(std::move(unet)),
      pool_(pool),
      audio_(audio),
      reader_(std::move(reader)),
      coder_(coder),
      options_(options),
      alphas_(diffusion::DdimScheduler(options.inference_steps).alphas_cumprod()),
      first_timestep_(diffusion::DdimScheduler(options.inference_steps).timesteps().front()),
      optimiser_(*unet_, AdamWOptions{.average = options.average}) {}

at::Tensor UNetTraining::weights_of(const at::Tensor& lips) const {
  const auto side = coder_.latent_mask().size(0);
  const auto places = (at::arange(side, lips.options()) + 0.5) / static_cast<double>(side);
  const auto column = [&](int64_t i) { return lips.select(1, i).view({-1, 1, 1}); };
  const auto across = (places.view({1, 1, -1}) - column(0)) / (column(2) * 0.8 + 0.02);
  const auto along = (places.view({1, -1, 1}) - column(1)) / (column(3) * 0.9 + 0.03);
  const auto inside = 1 - coder_.latent_mask() * (1 - kOutsideWeight);
  const auto weights = inside + kLipsWeight * ((across.square() + along.square()) * -0.5).exp();
  return weights.unsqueeze(1);
}

UNetTraining::Batch UNetTraining::draw(int64_t entries, int64_t run, Random& random) const {
  std::vector<int64_t> slots, frames, references;
  std::vector<const Clip*> clips;
  std::vector<int64_t> clip_frames;
  for (int64_t entry = 0; entry < entries; ++entry) {
    int64_t number = 0;
    const auto* slot = &pool_.draw(random, number);
    while (slot->frames < run + 1) slot = &pool_.draw(random, number);
    const auto pick = [&](int64_t count) {
      return static_cast<int64_t>(random() % static_cast<uint64_t>(count));
    };
    const auto first = pick(slot->frames - run + 1);
    // References run along with the window, from elsewhere in the clip where it is long enough.
    const auto apart = std::max(run, kNearestReference);
    const auto far = [&](int64_t other) { return std::abs(other - first) >= apart; };
    auto other = pick(slot->frames - run + 1);
    for (int tries = 0; tries < 20 && !far(other); ++tries) other = pick(slot->frames - run + 1);
    for (int64_t i = 0; i < run; ++i) {
      slots.push_back(number);
      frames.push_back(first + i);
      references.push_back(other + i);
      clips.push_back(slot->clip);
      clip_frames.push_back(slot->first + first + i);
    }
  }
  const auto target = pool_.take(slots, frames);
  auto tokens = audio_.take(clips, clip_frames, run, random);
  auto audible =
      (at::rand({entries, 1, 1, 1}, tokens.options().dtype(at::kFloat)) >= options_.silent)
          .to(tokens.scalar_type());
  tokens = (tokens.unflatten(0, {entries, run}) * audible).flatten(0, 1);
  return {target.plain, target.masked, pool_.take(slots, references).plain, weights_of(target.lips),
          tokens};
}

UNetLoss UNetTraining::step(double learning_rate, bool windows, Random& random) {
  const auto run = windows ? options_.window_frames : 1;
  const auto entries = windows ? options_.windows : options_.frames;
  const auto batch = draw(entries, run, random);
  const auto& x0 = batch.plain;
  const auto device = x0.device();

  const auto from_noise = at::rand({entries}, at::kFloat) < options_.from_noise;
  const auto timesteps = (at::rand({entries}, at::kFloat).sqrt() * 999)
                             .to(at::kLong)
                             .masked_fill(from_noise, first_timestep_);
  const auto alpha =
      per_image(alphas_.index_select(0, timesteps).repeat_interleave(run).to(device));
  const auto begins = per_image(from_noise.repeat_interleave(run).to(device));
  auto noise = at::randn(x0.sizes(), x0.options());
  if (run > 1) {
    // At inference all frames of a clip start from one noise.
    const auto shared =
        noise.unflatten(0, {entries, run}).narrow(1, 0, 1).expand({-1, run, -1, -1, -1});
    const auto mixed =
        random() % 2 == 0 ? shared.flatten(0, 1) : (noise + shared.flatten(0, 1)) * std::sqrt(0.5);
    noise = at::where(begins, shared.flatten(0, 1), mixed);
  }
  const auto [noisy, wanted_noise] = with_noise(x0, noise, alpha, begins);
  const auto mask = coder_.latent_mask().expand({x0.size(0), 1, -1, -1});
  const auto sample = at::cat({noisy, mask, batch.masked, batch.reference}, 1)
                          .unflatten(0, {entries, run})
                          .transpose(1, 2);

  optimiser_.zero_gradients();
  const auto predicted =
      unet_->forward_each(sample, timesteps, batch.tokens, nn::AttentionMode::kFlex, windows)
          .to(at::kFloat)
          .transpose(1, 2)
          .flatten(0, 1);
  const auto snr = alpha / (1 - alpha);
  const auto level = snr.clamp(kLowestSnr, kHighestSnr) / snr;
  const auto noise_loss = (level * batch.weights * (predicted - wanted_noise).square()).mean();

  UNetLoss result;
  auto loss = noise_loss;
  const auto guess = (noisy - (1 - alpha).sqrt() * predicted) / alpha.sqrt();
  const auto trust = (alpha * 3).clamp_max(1);  // the guess at high noise is hardly a picture
  if (reader_ && options_.sync > 0) {
    at::Tensor wanted;
    {
      const at::NoGradGuard no_grad;
      wanted = reader_->forward(x0);
    }
    const auto term =
        ((reader_->forward(guess) - wanted).abs().clamp_max(3) * trust.view({-1, 1})).mean() *
        options_.sync;
    loss = loss + term;
    result.sync = term.item<double>();
  }
  if (run > 1 && options_.temporal > 0) {
    const auto change = [&](const at::Tensor& x) {
      const auto frames = x.unflatten(0, {entries, run});
      return frames.narrow(1, 1, run - 1) - frames.narrow(1, 0, run - 1);
    };
    const auto weight = (batch.weights * trust).unflatten(0, {entries, run}).narrow(1, 1, run - 1);
    const auto term = ((change(guess) - change(x0)).abs() * weight).mean() * options_.temporal;
    loss = loss + term;
    result.temporal = term.item<double>();
  }
  loss.backward();
  optimiser_.step(learning_rate);
  result.noise = noise_loss.item<double>();
  return result;
}

}  // namespace latentsync::train
