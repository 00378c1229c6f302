#include "core/nn/unet3d.h"

#include "core/error.h"
#include "core/nn/prepare.h"
#include "tests/support/compare.h"

#include <functional>
#include <memory>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

UNet3DConfig small_config() {
  UNet3DConfig config;
  config.block_out_channels = {32, 32, 64, 64};
  config.layers_per_block = 1;
  config.attention_heads = 2;
  config.motion_heads = 2;
  config.cross_attention_dim = 24;
  config.norm_groups = 16;
  return config;
}

std::shared_ptr<UNet3D> small_unet(const UNet3DConfig& config = small_config()) {
  auto unet = std::make_shared<UNet3D>(config);
  initialise_parameters(*unet, 7);
  for (auto& buffer : unet->buffers()) buffer.normal_();
  return unet;
}

constexpr int64_t kFrames = 3;
at::Tensor sample() { return at::randn({2, 13, kFrames, 16, 16}); }
at::Tensor audio() { return at::randn({2 * kFrames, 10, 24}); }

int64_t counted_linears = 0;

// How many linear layers WORK evaluates.
int64_t linears(const std::function<void()>& work) {
  counted_linears = 0;
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(
      [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
        if (function.name() == std::string_view("aten::linear")) ++counted_linears;
        return nullptr;
      }));
  work();
  at::removeCallback(handle);
  return counted_linears;
}

// A stored evaluation equals a full one bit for bit, and a reused one on the same inputs equals
// both: the cached features are exactly those that the outermost layers saw.
TEST(UNet3D, CachedEvaluationOnTheSameInputsIsTheFullOne) {
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  const auto x = sample();
  const auto a = audio();
  FeatureCache cache;
  const auto full = unet->forward(x, 500, a);
  const auto stored = unet->forward(x, 500, a, CacheUse::kStore, &cache);
  const auto reused = unet->forward(x, 500, a, CacheUse::kReuse, &cache);
  EXPECT_TRUE(stored.equal(full));
  EXPECT_TRUE(reused.equal(full));
  EXPECT_FALSE(unet->forward(x + 1, 300, a, CacheUse::kReuse, &cache).equal(full));
}

// Every parameter gets a finite gradient from one training step: the network is trainable as it
// stands.
TEST(UNet3D, EveryParameterGetsAGradient) {
  const auto unet = small_unet();
  for (const auto mode : {AttentionMode::kFlash, AttentionMode::kFlex}) {
    for (auto& parameter : unet->parameters()) parameter.mutable_grad() = at::Tensor();
    unet->forward(sample(), 10, audio(), CacheUse::kNone, nullptr, mode).square().mean().backward();
    for (const auto& item : unet->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_TRUE(at::isfinite(item.value().grad()).all().item<bool>()) << item.key();
    }
  }
}

// A packed network gives the dense network's result and holds no dense matrix any more.
TEST(UNet3D, PackingKeepsTheResult) {
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  const auto x = sample();
  const auto a = audio();
  const auto dense = unet->forward(x, 500, a);
  prepare_for_inference(*unet);
  EXPECT_TRUE(test::close(unet->forward(x, 500, a), dense, {.rel_l2 = 1e-5}));
  EXPECT_EQ(unet->named_parameters().at("conv_in.weight").numel(), 0);
  EXPECT_NO_THROW(prepare_for_inference(*unet));
}

// The entries of a batch do not see each other.
TEST(UNet3D, BatchEntriesAreIndependent) {
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  const auto x = sample();
  const auto a = audio();
  const auto both = unet->forward(x, 500, a);
  const auto second = unet->forward(x.slice(0, 1), 500, a.slice(0, kFrames));
  EXPECT_TRUE(test::close(both.slice(0, 1), second, {.rel_l2 = 1e-5}));
}

// A model whose motion modules are only in the decoder has no parameters for the others, and runs.
TEST(UNet3D, MotionModulesMayBeInTheDecoderOnly) {
  const at::NoGradGuard no_grad;
  auto config = small_config();
  config.motion_down_blocks = {false, false, false, false};
  const auto unet = small_unet(config);
  for (const auto& item : unet->named_parameters()) {
    EXPECT_FALSE(item.key().starts_with("down_blocks") &&
                 item.key().find("motion_modules") != std::string::npos)
        << item.key();
  }
  EXPECT_EQ(unet->forward(sample(), 1, audio()).sizes(), at::IntArrayRef({2, 4, kFrames, 16, 16}));
}

// A step of a denoising run is the evaluation at its timestep: with null audio in front, with null
// audio alone and with audio alone.
TEST(UNet3D, AStepOfARunIsTheEvaluation) {
  const at::NoGradGuard no_grad;
  for (const bool packed : {false, true}) {
    const auto unet = small_unet();
    if (packed) prepare_for_inference(*unet);
    const auto x = sample();
    const auto a = audio().slice(0, 0, kFrames);
    const auto null = at::zeros_like(a);
    const auto constants = unet->constants({900, 500, 100}, a, 2);
    for (const auto mode :
         {AttentionMode::kFlash, AttentionMode::kFlex, AttentionMode::kStandard}) {
      const auto step = [&](const at::Tensor& of, bool conditioned) {
        return unet->forward_step(of, constants, 1, conditioned, CacheUse::kNone, nullptr, mode);
      };
      const auto whole = [&](const at::Tensor& of, const at::Tensor& with) {
        return unet->forward(of, 500, with, CacheUse::kNone, nullptr, mode);
      };
      constexpr test::Tolerance kRounding{.rel_l2 = 1e-5};
      EXPECT_TRUE(test::close(step(x, true), whole(x, at::cat({null, a})), kRounding));
      EXPECT_TRUE(test::close(step(x, false), whole(x, at::cat({null, null})), kRounding));
      const auto one = x.slice(0, 0, 1);
      EXPECT_TRUE(test::close(step(one, true), whole(one, a), kRounding));
      EXPECT_TRUE(test::close(step(one, false), whole(one, null), kRounding));
    }
  }
}

// Of what a run has in common no step computes anything: neither the time embedding nor keys and
// values of the audio; and without audio no attention to it.
TEST(UNet3D, AStepComputesNothingThatItsRunHas) {
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  const auto x = sample().slice(0, 0, 1);
  const auto a = audio().slice(0, 0, kFrames);
  const auto constants = unet->constants({500}, a, 1);
  int64_t resnets = 0, transformers = 0;
  for (const auto& module : unet->modules()) {
    resnets += dynamic_cast<ResnetBlock*>(module.get()) != nullptr;
    transformers += dynamic_cast<SpatialTransformer*>(module.get()) != nullptr;
  }
  const auto whole = linears([&] { unet->forward(x, 500, a); });
  const auto step = linears([&] { unet->forward_step(x, constants, 0, true); });
  const auto null = linears([&] { unet->forward_step(x, constants, 0, false); });
  EXPECT_EQ(whole - step, 2 + resnets + 2 * transformers);
  EXPECT_EQ(step - null, 2 * transformers);
}

// Constants belong to a window's frames and the network's audio.
TEST(UNet3D, RefusesConstantsThatDoNotFit) {
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  EXPECT_THROW(unet->constants({500}, at::randn({kFrames, 10, 25}), 1), Error);
  EXPECT_THROW(unet->constants({500}, at::randn({kFrames, 24}), 1), Error);
  const auto others = unet->constants({500}, at::randn({kFrames + 1, 10, 24}), 1);
  EXPECT_THROW(unet->forward_step(sample().slice(0, 0, 1), others, 0, true), Error);
  const auto constants = unet->constants({500}, at::randn({kFrames, 10, 24}), 1);
  EXPECT_THROW(unet->forward_step(sample(), constants, 0, true), Error);
  EXPECT_THROW(unet->forward_step(sample().slice(0, 0, 1), constants, 1, true), Error);
}

// Shapes that do not fit are refused with both shapes, not computed on.
TEST(UNet3D, RefusesShapesThatDoNotFit) {
  const at::NoGradGuard no_grad;
  const auto unet = small_unet();
  FeatureCache cache;
  const auto expect_refused = [&](const at::Tensor& x, const at::Tensor& a, CacheUse use,
                                  FeatureCache* given) {
    try {
      unet->forward(x, 1, a, use, given);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    }
  };
  expect_refused(at::randn({2, 12, kFrames, 16, 16}), audio(), CacheUse::kNone, nullptr);
  expect_refused(at::randn({2, 13, 16, 16}), audio(), CacheUse::kNone, nullptr);
  expect_refused(at::randn({1, 13, 25, 8, 8}), at::randn({25, 10, 24}), CacheUse::kNone, nullptr);
  expect_refused(sample(), audio().slice(0, 1), CacheUse::kNone, nullptr);
  expect_refused(sample(), at::randn({2 * kFrames, 10, 25}), CacheUse::kNone, nullptr);
  expect_refused(sample(), audio(), CacheUse::kStore, nullptr);
  expect_refused(sample(), audio(), CacheUse::kReuse, &cache);
  unet->forward(sample(), 1, audio(), CacheUse::kStore, &cache);
  expect_refused(at::randn({2, 13, kFrames, 16, 24}), audio(), CacheUse::kReuse, &cache);
}

}  // namespace
}  // namespace latentsync::nn
