#include "examples/train/audio_training.h"

#include "core/audio/feature_grid.h"
#include "core/error.h"
#include "core/nn/prepare.h"
#include "examples/train/parted_pass.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

namespace latentsync::train {
namespace {

constexpr double kOpeningWeight = 1.5;
constexpr double kLargestError = 3;  // tracking errors of landmarks do not pull harder

at::Tensor rows_of(const Placed& placed) {
  return at::arange(placed.mouth.size(0), at::kLong) * 2 + placed.first_row;
}

// Makes a head's projection [d, width] read the d / 2 quickest pairs of the position code, and
// nothing else, as they are AWAY rows further on: queries so made find keys that are made for 0.
void read_positions(at::Tensor weight, double away) {
  constexpr double kSharp = 2.2;         // one row and its neighbours get nearly all
  const auto half = weight.size(1) / 2;  // sines are in front, cosines behind
  weight.zero_();
  for (int64_t i = 0; i < weight.size(0) / 2; ++i) {
    const double rate =
        std::exp(-std::log(10000.0) * static_cast<double>(i) / static_cast<double>(half - 1));
    const double cosine = kSharp * std::cos(rate * away), sine = kSharp * std::sin(rate * away);
    weight[2 * i][i] = cosine;
    weight[2 * i][half + i] = sine;
    weight[2 * i + 1][i] = -sine;
    weight[2 * i + 1][half + i] = cosine;
  }
}

at::Tensor shifted(const at::Tensor& x, int64_t begin, int64_t length) {
  auto part = x.narrow(0, begin, length).to(at::kDouble);
  part = part - part.mean();
  return part;
}

}  // namespace

double best_correlation(const at::Tensor& a, const at::Tensor& b, int64_t lag) {
  double best = 0;
  bool any = false;
  for (int64_t shift = -lag; shift <= lag; ++shift) {
    const auto length = std::min(a.size(0), b.size(0)) - std::abs(shift);
    if (length < 3) continue;
    const auto x = shifted(a, std::max<int64_t>(0, -shift), length);
    const auto y = shifted(b, std::max<int64_t>(0, shift), length);
    const double size =
        std::sqrt(x.square().sum().item<double>() * y.square().sum().item<double>());
    const double r = size > 0 ? (x * y).sum().item<double>() / size : 0;
    if (!any || r > best) best = r;
    any = true;
  }
  return best;
}

at::Tensor frame_tokens(const at::Tensor& states, const at::Tensor& window, const at::Tensor& row) {
  const auto rows = states.size(2), layers = states.size(1), width = states.size(3);
  const auto offsets = at::arange(audio::kRowsPerFrame, row.options()) - audio::kRowsBeforeFrame;
  const auto places = (row.unsqueeze(1) + offsets).clamp(0, rows - 1) + window.unsqueeze(1) * rows;
  return states.transpose(1, 2)
      .reshape({-1, layers * width})
      .index_select(0, places.flatten().to(states.device()))
      .view({row.size(0), audio::kRowsPerFrame * layers, width});
}

void initialise_encoder(audio::WhisperEncoder& encoder, int64_t seed) {
  constexpr double kReach = 4.5;  // rows, in the first layer
  constexpr double kLoud = 2.4;   // so that the sound is heard beside the position code
  const at::NoGradGuard no_grad;
  nn::initialise_parameters(encoder, seed);
  const auto heads = encoder.config().n_audio_head;
  for (auto& item : encoder.named_parameters()) {
    const auto& name = item.key();
    auto& weight = item.value();
    if (name == "conv1.weight" || name == "conv2.weight") weight.mul_(kLoud);
    const bool query = name.ends_with("attn.query.weight");
    if (!query && !name.ends_with("attn.key.weight")) continue;
    const auto layer = std::stoi(name.substr(std::string("blocks.").size()));
    const double farthest = query && heads > 1 ? std::ldexp(kReach, layer) : 0;
    for (int64_t head = 0; head < heads; ++head) {
      const auto step = 2 * farthest / static_cast<double>(std::max<int64_t>(1, heads - 1));
      read_positions(weight.unflatten(0, {heads, -1})[head],
                     static_cast<double>(head) * step - farthest);
    }
  }
}

AudioTraining::AudioTraining(std::shared_ptr<audio::WhisperEncoder> encoder, const Dataset& dataset,
                             const AudioTrainingOptions& options, int64_t seed)
    : encoder_(std::move(encoder)),
      head_(std::make_shared<AudioHead>(encoder_->config().n_audio_state, Clip::kMouthValues)),
      both_(std::make_shared<nn::Module>()),
      clips_(dataset.of(Part::kTrain)),
      sampler_(clips_, ClipSampler::kForVoices),
      windows_(encoder_->config().n_audio_ctx, encoder_->config().n_mels),
      options_(options) {
  for (const auto* clip : clips_) {
    if (clip->frames() <= windows_.most_frames()) continue;
    throw Error(ErrorCode::kInvalidArgument,
                "\"" + clip->name + "\" has " + std::to_string(clip->frames()) +
                    " frames, a clip to train on can have " +
                    std::to_string(windows_.most_frames()) + ": cut it and prepare it anew.");
  }
  nn::initialise_parameters(*head_, seed);
  head_->to(encoder_->device(), encoder_->dtype());
  both_->register_module("encoder", encoder_);
  both_->register_module("head", head_);
  optimiser_ = std::make_unique<Optimiser>(
      *both_, OptimiserOptions{.beta2 = 0.98, .weight_decay = 0.05, .average = options_.average});
}

// Each from a seed of its own, so that it does not matter which thread makes it.
std::vector<AudioWindow> AudioTraining::make_windows(Random& random) const {
  std::vector<uint64_t> seeds(static_cast<size_t>(options_.windows));
  for (auto& seed : seeds) seed = random();
  std::vector<AudioWindow> made(seeds.size());
  for_parts(c10::kCPU, options_.windows, [&](int64_t begin, int64_t length) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(begin + length); ++i) {
      Random own(seeds[i]);
      std::vector<const Clip*> list;
      for (int clip = 0; clip < 16; ++clip) list.push_back(&sampler_.draw(own));
      size_t next = 0;
      made[i] = windows_.packed(list, next, own, Pace::kChanged);
    }
  });
  return made;
}

double AudioTraining::step(double learning_rate, Random& random) {
  const auto made = make_windows(random);
  std::vector<at::Tensor> mels, window, rows, mouths;
  for (size_t i = 0; i < made.size(); ++i) {
    mels.push_back(made[i].mel);
    for (const auto& placed : made[i].placed) {
      rows.push_back(rows_of(placed));
      window.push_back(at::full_like(rows.back(), static_cast<int64_t>(i)));
      mouths.push_back(placed.mouth);
    }
  }
  const auto device = encoder_->device();
  optimiser_->zero_gradients();
  const auto mel = at::stack(mels).to(device, encoder_->dtype());
  PartedPass pass(device, options_.windows, [&](int64_t begin, int64_t length) {
    return encoder_->forward(mel.narrow(0, begin, length));
  });
  const auto& states = pass.output();
  const auto tokens = frame_tokens(states, at::cat(window), at::cat(rows));
  const auto mouth = head_->forward(at::dropout(tokens, options_.dropout, true)).to(at::kFloat);
  const auto error = (mouth - at::cat(mouths).to(device)).abs().clamp_max(kLargestError);
  auto weights = at::ones({Clip::kMouthValues}, error.options());
  weights[0] = kOpeningWeight;
  const auto loss = ((error + 0.5 * error.square()) * weights).mean();
  (loss + options_.feature_decay * states.to(at::kFloat).square().mean()).backward();
  pass.backward(states.grad());
  optimiser_->step(learning_rate);
  return loss.item<double>();
}

double AudioTraining::opening_correlation(const std::vector<const Clip*>& clips) {
  const at::NoGradGuard no_grad;
  double sum = 0;
  optimiser_->with_average([&] {
    for (const auto* clip : clips) {
      const auto turned = rotated(*clip, clip->frames() / 2);
      const auto made = windows_.alone(turned);
      const auto states =
          encoder_->forward(made.mel.unsqueeze(0).to(encoder_->device(), encoder_->dtype()));
      const auto rows = rows_of(made.placed[0]);
      const auto mouth = head_->forward(frame_tokens(states, at::zeros_like(rows), rows));
      sum += best_correlation(mouth.select(1, 0).to(at::kCPU, at::kFloat),
                              turned.mouth.select(1, 0), 0);
    }
  });
  return clips.empty() ? 0 : sum / static_cast<double>(clips.size());
}

}  // namespace latentsync::train
