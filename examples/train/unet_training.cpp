#include "examples/train/unet_training.h"

#include "core/diffusion/ddim.h"
#include "core/nn/prepare.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

namespace latentsync::train {
namespace {

constexpr double kOutsideWeight = 0.3;
constexpr double kLipsWeight = 3;
constexpr int64_t kNearestReference = 6;  // frames; at inference it is the frame itself
constexpr double kCriticRate = 6e-4;
constexpr int64_t kCriticAlone = 50;  // steps
constexpr double kLowestSnr = 0.3, kHighestSnr = 5;

// [N] -> [N, 1, 1, 1]
at::Tensor per_image(const at::Tensor& x) { return x.view({-1, 1, 1, 1}); }

// The latents that PREDICTED noise leaves of a sample.
at::Tensor clean(const at::Tensor& sample, const at::Tensor& alpha, const at::Tensor& predicted) {
  return (sample - (1 - alpha).sqrt() * predicted) / alpha.sqrt();
}

std::shared_ptr<Critic> new_critic(int64_t seed, c10::Device device) {
  auto critic = std::make_shared<Critic>();
  nn::initialise_parameters(*critic, seed);
  critic->to(device, at::kFloat);
  nn::prepare_for_training(*critic);
  return critic;
}

// All but the first and the last convolution, whose few channels each have a meaning of their own.
bool is_inner(const std::string& name) {
  return !name.starts_with("conv_in.") && !name.starts_with("conv_out.");
}

// Of the slot's own frames the one whose mouth is open least.
int64_t most_closed(const LatentPool::Slot& slot) {
  const auto opening = slot.clip->mouth.select(1, 0);
  return opening.index_select(0, at::tensor(slot.frames, at::kLong)).argmin().item<int64_t>();
}

}  // namespace

Entry draw_entry(const LatentPool& pool, const AudioStore& audio, bool windows, double quiet,
                 Random& random) {
  const int64_t run = windows ? LatentPool::kRun : 1;
  Entry entry;
  const auto* slot = &pool.draw(random, entry.slot);
  while (windows && slot->choice != Choice::kRuns) slot = &pool.draw(random, entry.slot);
  const auto pick = [&] { return static_cast<int64_t>(random() % slot->frames.size()); };
  const auto place = [&](int64_t of) { return slot->frames[static_cast<size_t>(of)]; };
  const bool silent = uniform(random, 0, 1) < quiet;
  int64_t first = silent ? most_closed(*slot) : pick(), other = pick();
  if (windows) {  // references run along with the window
    if (!silent) first = first < run ? 0 : run;
    other = first < run ? run : 0;
  }
  for (int tries = 0;
       !windows && tries < 20 && std::abs(place(other) - place(first)) < kNearestReference;
       ++tries) {
    other = pick();
  }
  int64_t heard = place(first);
  entry.sound = slot->clip;
  if (silent) {
    entry.sound = &audio.quiet(random);
    heard = static_cast<int64_t>(random() % (AudioStore::kQuietFrames - run + 1));
  }
  for (int64_t i = 0; i < run; ++i) {
    entry.frames.push_back(silent ? first : first + i);
    entry.references.push_back(other + i);
    entry.sound_frames.push_back(heard + i);
  }
  entry.surroundings = silent ? entry.references : entry.frames;
  return entry;
}

double first_alpha(int64_t inference_steps) {
  const diffusion::DdimScheduler scheduler(inference_steps);
  return scheduler.alphas_cumprod()[scheduler.timesteps().front()].item<double>();
}

void initialise_unet(nn::UNet3D& unet, int64_t seed, double alpha) {
  const at::NoGradGuard no_grad;
  nn::initialise_parameters(unet, seed);
  const auto latents = unet.config().out_channels;
  const auto reference = unet.config().in_channels - latents;  // the last of the inputs
  const double of_noise = 1 / std::sqrt(1 - alpha);
  const double of_picture = -std::sqrt(alpha) * of_noise;
  // The last norm makes every pair's mean square 1; noise and latents have it already.
  const double height = std::hypot(of_noise, of_picture);
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
        for (const int sign : {1, -1}) {
          auto half = weight[2 * c + (sign < 0)];
          half[c][1][1] = sign * of_noise;
          half[reference + c][1][1] = sign * of_picture;
        }
      }
    } else if (name == last_resnet + ".conv_shortcut.weight") {
      const auto before = weight.size(1) - weight.size(0);  // in front of the skip connection
      weight.narrow(0, 0, 2 * latents).zero_();
      for (int64_t c = 0; c < 2 * latents; ++c) weight[c][before + c][0][0] = 1;
    } else if (name == "conv_out.weight") {
      weight.zero_();
      for (int64_t c = 0; c < latents; ++c) {
        weight[c][2 * c][1][1] = height;
        weight[c][2 * c + 1][1][1] = -height;
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

at::Tensor kept_to_lips(const at::Tensor& silent, const at::Tensor& heard,
                        const at::Tensor& near_lips, double guidance) {
  return silent + (heard - silent) * ((1 + (guidance - 1) * near_lips) / guidance);
}

UNetTraining::UNetTraining(std::shared_ptr<nn::UNet3D> unet, const LatentPool& pool,
                           const AudioStore& audio, std::shared_ptr<MouthReader> reader,
                           ImageCoder& coder, const UNetTrainingOptions& options, int64_t seed)
    : unet_(std::move(unet)),
      pool_(pool),
      audio_(audio),
      reader_(std::move(reader)),
      coder_(coder),
      options_(options),
      alphas_(diffusion::DdimScheduler(options.inference_steps).alphas_cumprod()),
      first_timestep_(diffusion::DdimScheduler(options.inference_steps).timesteps().front()),
      critic_(new_critic(seed, coder.latent_mask().device())),
      optimiser_(*unet_, {.average = options.average, .orthogonal = is_inner}) {
  nn::prepare_for_training(*unet_);
}

at::Tensor UNetTraining::near_lips(const at::Tensor& lips) const {
  const auto side = coder_.latent_mask().size(0);
  const auto places = (at::arange(side, lips.options()) + 0.5) / static_cast<double>(side);
  const auto column = [&](int64_t i) { return lips.select(1, i).view({-1, 1, 1}); };
  const auto across = (places.view({1, 1, -1}) - column(0)) / (column(2) * 0.8 + 0.02);
  const auto along = (places.view({1, -1, 1}) - column(1)) / (column(3) * 0.9 + 0.03);
  return ((across.square() + along.square()) * -0.5).exp().unsqueeze(1);
}

UNetTraining::Batch UNetTraining::draw(int64_t entries, const Step& how, Random& random) const {
  const double quiet = how.quiet ? options_.quiet : 0;
  std::vector<int64_t> slots, frames, references, surroundings, sound_frames;
  std::vector<const Clip*> sounds;
  int64_t run = 1;
  for (int64_t i = 0; i < entries; ++i) {
    const auto entry = draw_entry(pool_, audio_, how.windows, quiet, random);
    run = static_cast<int64_t>(entry.frames.size());
    slots.insert(slots.end(), entry.frames.size(), entry.slot);
    sounds.insert(sounds.end(), entry.frames.size(), entry.sound);
    const auto append = [](std::vector<int64_t>& all, const std::vector<int64_t>& more) {
      all.insert(all.end(), more.begin(), more.end());
    };
    append(frames, entry.frames);
    append(references, entry.references);
    append(surroundings, entry.surroundings);
    append(sound_frames, entry.sound_frames);
  }
  const auto target = pool_.take(slots, frames), around = pool_.take(slots, surroundings);
  auto tokens = audio_.take(sounds, sound_frames, run, random);
  const auto audible =
      (at::rand({entries}, tokens.options().dtype(at::kFloat)) >= options_.silent).to(at::kFloat);
  tokens = tokens * audible.repeat_interleave(run).view({-1, 1, 1}).to(tokens.scalar_type());
  const auto lips = near_lips(target.lips);
  const auto inside = 1 - coder_.latent_mask() * (1 - kOutsideWeight);
  return {at::where(coder_.latent_mask() > 0.5, around.wanted, target.wanted),
          around.masked,
          pool_.take(slots, references).plain,
          lips,
          inside + kLipsWeight * lips,
          tokens};
}

UNetTraining::Task UNetTraining::make_task(const Step& how, Random& random) const {
  const auto run = how.windows ? LatentPool::kRun : 1;
  const auto entries = how.windows ? options_.windows : options_.frames;
  Task task{.batch = draw(entries, how, random), .entries = entries, .run = run};
  const auto& x0 = task.batch.wanted;
  const auto device = x0.device();

  const auto from_noise = at::rand({entries}, at::kFloat) < options_.from_noise;
  task.timesteps = (at::rand({entries}, at::kFloat).sqrt() * 999)
                       .to(at::kLong)
                       .masked_fill(from_noise, first_timestep_);
  task.alpha = per_image(alphas_.index_select(0, task.timesteps).repeat_interleave(run).to(device));
  task.begins = per_image(from_noise.repeat_interleave(run).to(device));
  auto noise = at::randn(x0.sizes(), x0.options());
  if (run > 1) {
    // At inference all frames of a clip start from one noise.
    const auto shared =
        noise.unflatten(0, {entries, run}).narrow(1, 0, 1).expand({-1, run, -1, -1, -1});
    const auto mixed =
        random() % 2 == 0 ? shared.flatten(0, 1) : (noise + shared.flatten(0, 1)) * std::sqrt(0.5);
    noise = at::where(task.begins, shared.flatten(0, 1), mixed);
  }
  task.noisy = with_noise(x0, noise, task.alpha, task.begins);
  const auto mask = coder_.latent_mask().expand({x0.size(0), 1, -1, -1});
  task.sample = at::cat({task.noisy.sample, mask, task.batch.masked, task.batch.reference}, 1)
                    .unflatten(0, {entries, run})
                    .transpose(1, 2);
  return task;
}

PartedPass UNetTraining::predict(nn::UNet3D& unet, const at::Tensor& sample,
                                 const at::Tensor& timesteps, const at::Tensor& tokens) {
  const bool history = at::GradMode::is_enabled();
  const auto run = sample.size(2);
  return {sample.device(), sample.size(0), [&](int64_t begin, int64_t length) {
            const at::AutoGradMode mode(history);  // each thread has its own
            return unet
                .forward_each(sample.narrow(0, begin, length), timesteps.narrow(0, begin, length),
                              tokens.narrow(0, begin * run, length * run), nn::AttentionMode::kFlex,
                              run > 1)
                .to(at::kFloat)
                .transpose(1, 2)
                .flatten(0, 1);
          }};
}

at::Tensor UNetTraining::silent(nn::UNet3D& unet, const Task& task) {
  const at::NoGradGuard no_history;
  const auto tokens = at::zeros_like(task.batch.tokens);
  return predict(unet, task.sample, task.timesteps, tokens).output().detach();
}

UNetTraining::Judged UNetTraining::guided(const Task& task, const at::Tensor& predicted) const {
  const auto without = silent(*unet_, task);
  const auto heard = predicted - without;
  const double less = options_.guidance - options_.lips_guidance;
  return {without + (options_.guidance - less * task.batch.near_lips) * heard,
          without + options_.guidance * heard};
}

void UNetTraining::settle(const model::TensorMap& weights) {
  settled_on_ = std::make_shared<nn::UNet3D>(unet_->config());
  settled_on_->to(unet_->parameters().at(0).device(), unet_->parameters().at(0).scalar_type());
  nn::prepare_for_training(*settled_on_);
  const at::NoGradGuard no_grad;
  for (auto& item : settled_on_->named_parameters()) {
    item.value().copy_(weights.at(item.key()));
    item.value().requires_grad_(false);
  }
}

at::Tensor UNetTraining::noise_loss(const Task& task, const at::Tensor& predicted,
                                    const at::Tensor& wanted) {
  const auto snr = task.alpha / (1 - task.alpha);
  const auto level = snr.clamp(kLowestSnr, kHighestSnr) / snr;
  return (level * task.batch.weights * (predicted - wanted).square()).mean();
}

at::Tensor UNetTraining::settled_loss(const Task& task, const at::Tensor& predicted,
                                      UNetLoss& values) const {
  at::Tensor wanted;
  {
    const at::NoGradGuard no_grad;
    const auto heard = predict(*settled_on_, task.sample, task.timesteps, task.batch.tokens);
    wanted = kept_to_lips(silent(*settled_on_, task), heard.output(), task.batch.near_lips,
                          options_.guidance);
  }
  const auto loss = noise_loss(task, predicted, wanted);
  values.noise = loss.item<double>();
  return loss;
}

at::Tensor UNetTraining::loss_of(const Task& task, const at::Tensor& predicted,
                                 UNetLoss& values) const {
  const auto& batch = task.batch;
  const auto guess = clean(task.noisy.sample, task.alpha, predicted);
  const auto trust = (task.alpha * 3).clamp_max(1);  // at high noise a guess is hardly a picture
  auto loss = noise_loss(task, predicted, task.noisy.wanted_noise);
  values.noise = loss.item<double>();
  const auto add = [&](const at::Tensor& term, double& value) {
    loss = loss + term;
    value = term.item<double>();
  };
  if (options_.detail > 0) {
    add((batch.weights * trust * (guess - batch.wanted).abs()).mean() * options_.detail,
        values.detail);
  }
  if (reader_ && options_.sync > 0) {
    at::Tensor wanted;
    {
      const at::NoGradGuard no_grad;
      wanted = reader_->forward(batch.wanted);
    }
    const auto error = (reader_->forward(guess) - wanted).abs().clamp_max(3);
    add((error * trust.view({-1, 1})).mean() * options_.sync, values.sync);
  }
  if (task.run > 1 && options_.temporal > 0) {
    const auto frames = [&](const at::Tensor& x) {
      return x.unflatten(0, {task.entries, task.run});
    };
    const auto change = [&](const at::Tensor& x) {
      return frames(x).narrow(1, 1, task.run - 1) - frames(x).narrow(1, 0, task.run - 1);
    };
    const auto weight = frames(batch.weights * trust).narrow(1, 1, task.run - 1);
    add(((change(guess) - change(batch.wanted)).abs() * weight).mean() * options_.temporal,
        values.temporal);
  }
  return loss;
}

at::Tensor UNetTraining::displeasure(const Task& task, const at::Tensor& predicted,
                                     UNetLoss& values) {
  // Half of the entries at most: the critic's own steps take time, too.
  const auto judged = task.begins.unflatten(0, {task.entries, task.run})
                          .flatten(1)
                          .select(1, 0)
                          .nonzero()
                          .flatten()
                          .slice(0, 0, std::max<int64_t>(1, task.entries / 2));
  if (judged.numel() == 0) return {};
  const auto of = [&](const at::Tensor& x) {
    return x.unflatten(0, {task.entries, task.run}).index_select(0, judged).flatten(0, 1);
  };
  const auto guess = clean(task.noisy.sample, task.alpha, predicted);
  const auto wanted = of(task.batch.wanted), reference = of(task.batch.reference);
  // What is kept is the original: nothing to be judged there.
  const auto made = at::where(coder_.latent_mask() > 0.5, wanted, of(guess));
  const auto weights = of(task.batch.weights) * (1 - coder_.latent_mask());
  values.critic = critic_.step(made, wanted, reference, weights, kCriticRate);
  if (critic_.optimiser().steps() <= kCriticAlone) return {};
  return critic_.displeasure(made, reference, weights);
}

UNetLoss UNetTraining::step(const Step& how, Random& random) {
  const auto task = make_task(how, random);
  optimiser_.zero_gradients();
  auto pass = predict(*unet_, task.sample, task.timesteps, task.batch.tokens);
  const auto& output = pass.output();
  const bool guides = how.guided && !how.settled && options_.guidance != 1;
  const auto judged = guides ? guided(task, output) : Judged{output, output};
  const auto gradient_of = [&](const at::Tensor& loss) {
    return torch::autograd::grad({loss}, {output}, {}, /*retain_graph=*/true)[0];
  };

  UNetLoss values;
  auto gradient = gradient_of(how.settled ? settled_loss(task, output, values)
                                          : loss_of(task, judged.by_terms, values));
  if (how.criticised && !how.settled && options_.critic > 0) {
    if (const auto wish = displeasure(task, judged.by_critic, values); wish.defined()) {
      const auto direction = gradient_of(wish);
      gradient =
          gradient + direction * (options_.critic * gradient.norm() / (direction.norm() + 1e-12));
    }
  }
  pass.backward(gradient);
  optimiser_.step(how.learning_rate);
  return values;
}

}  // namespace latentsync::train
