#include "core/diffusion/ddim.h"
#include "core/diffusion/noise_predictor.h"
#include "core/error.h"
#include "core/nn/prepare.h"
#include "core/nn/unet3d.h"
#include "examples/train/critic.h"
#include "examples/train/mouth_reader.h"
#include "examples/train/parted_pass.h"
#include "examples/train/unet_training.h"
#include "tests/support/compare.h"

#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

nn::UNet3DConfig small_config() {
  nn::UNet3DConfig config;
  config.block_out_channels = {64, 64, 96, 96};
  config.layers_per_block = 1;
  config.attention_heads = 2;
  config.motion_heads = 2;
  config.cross_attention_dim = 24;
  config.motion_down_blocks = {false, false, false, false};
  return config;
}

// A new network leads from nothing but noise to the reference image in one step, up to the output
// norm's scale: where training starts from.
TEST(TrainUNet, ANewNetworkLeadsToTheReference) {
  const at::NoGradGuard no_grad;
  nn::UNet3D unet(small_config());
  const double alpha = first_alpha(2);
  initialise_unet(unet, 5, alpha);
  const auto sample = at::randn({2, 13, 1, 16, 16});
  const auto out = unet.forward_each(sample, at::tensor({900, 50}, at::kLong),
                                     at::randn({2, 10, 24}), nn::AttentionMode::kFlex, true);
  const auto guess = (sample.narrow(1, 0, 4) - std::sqrt(1 - alpha) * out) / std::sqrt(alpha);
  EXPECT_TRUE(test::close(guess, sample.narrow(1, 9, 4), {.rel_l2 = 0.15}));
}

// A preview samples with the attention that is trained, which is the plugin's default.
TEST(TrainUNet, APredictorUsesTheAttentionItIsGiven) {
  const at::NoGradGuard no_grad;
  nn::UNet3D unet(small_config());
  nn::initialise_parameters(unet, 6);
  const auto sample = at::randn({1, 13, 2, 16, 16}), tokens = at::randn({2, 10, 24});
  const auto predicted = [&](nn::AttentionMode attention) {
    nn::FeatureCache cache;
    diffusion::NetworkPredictor predictor(unet, attention);
    return predictor.predict(sample, predictor.prepare({500}, tokens, 1), 0, true,
                             nn::CacheUse::kNone, cache);
  };
  const auto flex = predicted(nn::AttentionMode::kFlex);
  EXPECT_TRUE(at::equal(flex, unet.forward(sample, 500, tokens, nn::CacheUse::kNone, nullptr,
                                           nn::AttentionMode::kFlex)));
  EXPECT_FALSE(test::close(predicted(nn::AttentionMode::kFlash), flex, {.max_abs = 1e-4}));
}

// One timestep for each entry gives what single evaluations at those timesteps give.
TEST(TrainUNet, EveryEntryHasItsOwnTimestep) {
  const at::NoGradGuard no_grad;
  nn::UNet3D unet(small_config());
  nn::initialise_parameters(unet, 6);
  const auto sample = at::randn({2, 13, 3, 16, 16});
  const auto tokens = at::randn({6, 10, 24});
  const auto both = unet.forward_each(sample, at::tensor({700, 20}, at::kLong), tokens,
                                      nn::AttentionMode::kFlash, true);
  const auto first = unet.forward(sample.narrow(0, 0, 1), 700, tokens.narrow(0, 0, 3));
  const auto second = unet.forward(sample.narrow(0, 1, 1), 20, tokens.narrow(0, 3, 3));
  EXPECT_TRUE(test::close(both.narrow(0, 0, 1), first, {.rel_l2 = 1e-5}));
  EXPECT_TRUE(test::close(both.narrow(0, 1, 1), second, {.rel_l2 = 1e-5}));
}

// Without motion modules frames do not attend to each other, and with their last layers at zero
// both ways are the same.
TEST(TrainUNet, MotionModulesAreLeftOutWhenAsked) {
  const at::NoGradGuard no_grad;
  nn::UNet3D unet(small_config());
  nn::initialise_parameters(unet, 7);
  const auto sample = at::randn({1, 13, 4, 16, 16});
  const auto tokens = at::randn({4, 10, 24});
  const auto run = [&](bool motion) {
    return unet.forward_each(sample, at::full({1}, 300, at::kLong), tokens,
                             nn::AttentionMode::kFlash, motion);
  };
  EXPECT_FALSE(test::difference(run(true), run(false)).rel_l2 < 1e-3);
  for (auto& item : unet.named_parameters()) {
    if (item.key().find("temporal_transformer.proj_out") != std::string::npos) item.value().zero_();
  }
  EXPECT_TRUE(test::close(run(true), run(false), {.rel_l2 = 1e-5}));
}

// The gradient is the slope: along a random direction in all weights the loss changes as the
// gradient says, in double precision, through every custom operator.
TEST(TrainUNet, TheGradientIsTheSlope) {
  auto unet = std::make_shared<nn::UNet3D>(small_config());
  nn::initialise_parameters(*unet, 8);
  unet->to(at::kDouble);
  const auto sample = at::randn({1, 13, 3, 16, 16}, at::kDouble);
  const auto tokens = at::randn({3, 10, 24}, at::kDouble);
  const auto loss = [&] {
    return unet
        ->forward_each(sample, at::full({1}, 444, at::kLong), tokens, nn::AttentionMode::kFlex,
                       true)
        .square()
        .mean();
  };
  for (auto& parameter : unet->parameters()) parameter.requires_grad_(true);
  loss().backward();
  std::vector<at::Tensor> directions;
  double slope = 0;
  for (const auto& parameter : unet->parameters()) {
    directions.push_back(at::randn(parameter.sizes(), at::kDouble));
    slope += (parameter.grad() * directions.back()).sum().item<double>();
  }
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-6;
  const auto at_distance = [&](double distance) {
    size_t i = 0;
    for (auto& parameter : unet->parameters()) parameter.add_(directions[i++], distance);
    const double value = loss().item<double>();
    i = 0;
    for (auto& parameter : unet->parameters()) parameter.sub_(directions[i++], distance);
    return value;
  };
  const double measured = (at_distance(kStep) - at_distance(-kStep)) / (2 * kStep);
  EXPECT_NEAR(measured, slope, 1e-4 * std::abs(slope) + 1e-7);
}

// Where sampling begins, what the network is to predict leads to the picture in one step of the
// sampler, from nothing but noise; elsewhere it is the noise that was added.
TEST(TrainUNet, FromNoiseOneStepLeadsToThePicture) {
  const diffusion::DdimScheduler scheduler(2);
  const auto x0 = at::randn({2, 4, 16, 16}), noise = at::randn({2, 4, 16, 16});
  const auto alpha =
      scheduler.alphas_cumprod()[scheduler.timesteps()[0]].expand({2}).view({2, 1, 1, 1});
  const auto begins = at::tensor({1, 0}, at::kLong).to(at::kBool).view({2, 1, 1, 1});
  const auto made = with_noise(x0, noise, alpha, begins);
  EXPECT_TRUE(at::equal(made.sample[0], noise[0]));
  EXPECT_TRUE(test::close(made.wanted_noise[1], noise[1], {.rel_l2 = 1e-5}));
  EXPECT_FALSE(test::difference(made.wanted_noise[0], noise[0]).rel_l2 < 0.1);
  EXPECT_TRUE(test::close(scheduler.predicted_original(made.wanted_noise, 0, made.sample), x0,
                          {.rel_l2 = 1e-5}));
}

// Parts of a batch, each on a thread of its own, give what the whole gives, and its gradients.
TEST(TrainUNet, PartsAddUpToTheWhole) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  // As wide as the UNet's: within an OpenMP region oneDNN's gradients of such weights are wrong.
  const auto network = std::make_shared<nn::Conv2d>(64, 64);
  nn::initialise_parameters(*network, 2);
  for (auto& parameter : network->parameters()) parameter.requires_grad_(true);
  const auto input = at::randn({5, 64, 16, 16});
  const auto loss = [](const at::Tensor& output) { return output.square().sum(); };
  const auto whole = network->forward(input);
  loss(whole).backward();
  auto weight = network->parameters().front();
  const auto wanted = weight.grad().clone();
  weight.mutable_grad().zero_();
  std::mutex mutex;
  std::set<std::thread::id> used;
  PartedPass pass(c10::kCPU, 5, [&](int64_t begin, int64_t length) {
    {
      const std::lock_guard lock(mutex);
      used.insert(std::this_thread::get_id());
    }
    return network->forward(input.narrow(0, begin, length));
  });
  EXPECT_EQ(used.size(), 2);
  EXPECT_TRUE(test::close(pass.output().detach(), whole.detach(), {.rel_l2 = 1e-6}));
  loss(pass.output()).backward();
  pass.backward(pass.output().grad());
  EXPECT_TRUE(test::close(weight.grad(), wanted, {.rel_l2 = 1e-5}));
  EXPECT_THROW(for_parts(c10::kCPU, 5,
                         [](int64_t begin, int64_t) {
                           if (begin > 0)
                             throw Error(ErrorCode::kInvalidArgument, "the second part's");
                         }),
               Error);
  at::set_num_threads(threads);
}

// A critic learns to tell what differs from what is true, inside alone.
TEST(TrainUNet, TheCriticTellsTrueFromMade) {
  const auto critic = std::make_shared<Critic>();
  nn::initialise_parameters(*critic, 4);
  auto inside = at::zeros({8, 1, 16, 16});
  inside.slice(2, 0, 8).fill_(1);
  CriticTraining training(critic);
  const auto reference = at::zeros({8, 4, 16, 16});
  const auto batch = [&] { return at::randn({8, 4, 16, 16}); };
  const auto smooth = [](const at::Tensor& x) { return (x + x.roll(1, 3) + x.roll(1, 2)) / 3; };
  double loss = 0;
  for (int i = 0; i < 60; ++i) {
    loss = training.step(smooth(batch()), batch(), reference, inside, 2e-3);
  }
  EXPECT_LT(loss, 0.5);
  const auto displeasure = [&](const at::Tensor& x) {
    return training.displeasure(x, reference, inside).item<double>();
  };
  EXPECT_GT(displeasure(smooth(batch())), displeasure(batch()) + 1);
  auto outside = batch();
  outside.slice(2, 0, 6).copy_(smooth(batch()).slice(2, 0, 6));
  EXPECT_LT(displeasure(outside), displeasure(smooth(batch())) - 1);
}

// The reader takes latents of either crop size.
TEST(TrainUNet, TheReaderTakesLatentsOfAnyEdge) {
  for (const int64_t side : {16, 32}) {
    MouthReader reader(side);
    nn::initialise_parameters(reader, 1);
    EXPECT_EQ(reader.forward(at::randn({2, 4, side, side})).sizes(),
              at::IntArrayRef({2, Clip::kMouthValues}));
  }
}

}  // namespace
}  // namespace latentsync::train
