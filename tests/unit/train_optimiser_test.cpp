#include "core/error.h"
#include "core/nn/layers.h"
#include "core/nn/prepare.h"
#include "examples/train/optimiser.h"
#include "tests/support/compare.h"

#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

std::shared_ptr<nn::Linear> small_network(int64_t seed = 3) {
  auto network = std::make_shared<nn::Linear>(4, 3);
  nn::initialise_parameters(*network, seed);
  return network;
}

// The first step moves every weight by the learning rate against its gradient's sign, after the
// decay of matrices: what AdamW's formula comes to when both moments hold one gradient.
TEST(TrainOptimiser, TheFirstStepIsTheLearningRate) {
  const auto network = small_network();
  Optimiser optimiser(*network, {.weight_decay = 0.5, .largest_gradient = 1e9});
  const auto weight = network->weight.detach().clone();
  const auto bias = network->bias.detach().clone();
  optimiser.zero_gradients();
  (network->weight.sum() * 2 - network->bias.sum() * 3).backward();
  constexpr double kRate = 0.01;
  const double norm = optimiser.step(kRate);
  EXPECT_NEAR(norm, std::sqrt(12 * 4 + 3 * 9), 1e-4);
  EXPECT_TRUE(
      test::close(network->weight.detach(), weight * (1 - kRate * 0.5) - kRate, {.max_abs = 1e-6}));
  EXPECT_TRUE(test::close(network->bias.detach(), bias + kRate, {.max_abs = 1e-6}));
}

// An orthogonal step moves a matrix alike in all directions of its gradient, however much steeper
// one is, wide or tall; what is not named, or has one dimension, takes AdamW's.
TEST(TrainOptimiser, OrthogonalStepsMoveAllDirectionsAlike) {
  for (const bool tall : {false, true}) {
    const int64_t in = tall ? 4 : 48, out = tall ? 48 : 4;
    auto network = std::make_shared<nn::Linear>(in, out);
    nn::initialise_parameters(*network, 3);
    Optimiser optimiser(
        *network,
        {.weight_decay = 0, .largest_gradient = 1e9, .orthogonal = [](const std::string& name) {
           return name == "weight" || name == "bias";
         }});
    const auto weight = network->weight.detach().clone();
    const auto bias = network->bias.detach().clone();
    const auto steeper = at::tensor({1.F, 3.F, 10.F, 30.F});
    const auto slopes = at::randn({out, in}) * (tall ? steeper.view({1, 4}) : steeper.view({4, 1}));
    optimiser.zero_gradients();
    ((network->weight * slopes).sum() + network->bias.sum()).backward();
    constexpr double kRate = 0.01;
    optimiser.step(kRate);
    const auto moved = (weight - network->weight.detach()) / (kRate * 0.2 * std::sqrt(48.));
    const auto heights = std::get<1>(at::linalg_svd(moved));
    EXPECT_GT(heights.min().item<double>(), 0.6);
    EXPECT_LT(heights.max().item<double>(), 1.3);
    // Of all such moves the one that goes down most is the gradient's own polar factor.
    const auto most = at::linalg_svdvals(slopes).sum().item<double>();
    EXPECT_GT((moved * slopes).sum().item<double>(), 0.7 * most);
    EXPECT_TRUE(test::close(network->bias.detach(), bias - kRate, {.max_abs = 1e-6}));
  }
}

// Matrices whose shorter sides are alike are made orthogonal together: each moves as it would
// alone.
TEST(TrainOptimiser, MatricesMoveAsIfAlone) {
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{48, 4}, {4, 48}, {4, 4},
                                                           {48, 4}, {12, 8}, {4, 20}};
  const auto step = [](nn::Module& module, const std::vector<at::Tensor>& weights,
                       const std::vector<at::Tensor>& slopes) {
    Optimiser optimiser(
        module, {.largest_gradient = 1e9, .orthogonal = [](const std::string&) { return true; }});
    optimiser.zero_gradients();
    for (size_t i = 0; i < weights.size(); ++i) (weights[i] * slopes[i]).sum().backward();
    optimiser.step(0.01);
  };
  nn::Module together;
  std::vector<std::shared_ptr<nn::Linear>> alone, beside;
  std::vector<at::Tensor> weights, slopes;
  for (size_t i = 0; i < shapes.size(); ++i) {
    for (auto* list : {&alone, &beside}) {
      list->push_back(std::make_shared<nn::Linear>(shapes[i].first, shapes[i].second));
      nn::initialise_parameters(*list->back(), static_cast<int64_t>(i));
    }
    weights.push_back(together.register_module(std::to_string(i), beside[i])->weight);
    slopes.push_back(at::randn_like(weights[i]));
  }
  step(together, weights, slopes);
  for (size_t i = 0; i < shapes.size(); ++i) {
    const auto before = alone[i]->weight.detach().clone();
    step(*alone[i], {alone[i]->weight}, {slopes[i]});
    EXPECT_FALSE(test::close(alone[i]->weight.detach(), before, {.max_abs = 1e-4})) << i;
    EXPECT_TRUE(
        test::close(beside[i]->weight.detach(), alone[i]->weight.detach(), {.max_abs = 1e-6}))
        << i;
  }
}

// Steps lead to the minimum of a convex problem, and the averaged weights follow.
TEST(TrainOptimiser, FindsTheMinimum) {
  const auto network = small_network();
  const auto wanted = at::randn({3, 4});
  Optimiser optimiser(*network, {.weight_decay = 0, .average = 0.9});
  for (int i = 0; i < 600; ++i) {
    optimiser.zero_gradients();
    ((network->weight - wanted).square().sum() + network->bias.square().sum()).backward();
    optimiser.step(i < 400 ? 0.02 : 0.001);
  }
  EXPECT_TRUE(test::close(network->weight.detach(), wanted, {.max_abs = 1e-2}));
  EXPECT_TRUE(test::close(optimiser.average().at("weight"), wanted, {.max_abs = 1e-2}));
}

// The average is of about the last fifth of the steps, until its own decay is shorter: of weights
// that move evenly it is where they were then.
TEST(TrainOptimiser, TheAverageGrowsWithTheRun) {
  const auto network = small_network();
  const auto start = network->bias.detach().clone();
  Optimiser optimiser(*network, {.weight_decay = 0, .largest_gradient = 1e9, .average = 0.9999});
  constexpr int kSteps = 1000;
  for (int i = 0; i < kSteps; ++i) {
    optimiser.zero_gradients();
    network->bias.sum().backward();
    optimiser.step(1e-3);
  }
  const auto moved = (start - optimiser.average().at("bias")) / (kSteps * 1e-3);
  EXPECT_TRUE(test::close(moved, at::full({3}, 0.8), {.max_abs = 0.01}));
}

// A run that is stopped, saved and loaded goes on bit for bit as one that is not.
TEST(TrainOptimiser, GoesOnWhereItWasStopped) {
  const auto train = [](Optimiser& optimiser, nn::Linear& network, int steps) {
    for (int i = 0; i < steps; ++i) {
      optimiser.zero_gradients();
      (network.weight.square().sum() + network.bias.sum()).backward();
      optimiser.step(0.01);
    }
  };
  const auto whole = small_network();
  Optimiser whole_optimiser(*whole, {});
  train(whole_optimiser, *whole, 7);

  const auto first = small_network();
  Optimiser first_optimiser(*first, {});
  train(first_optimiser, *first, 4);
  const auto second = small_network(99);
  Optimiser second_optimiser(*second, {});
  second_optimiser.load(first_optimiser.save(), "checkpoint");
  EXPECT_EQ(second_optimiser.steps(), 4);
  train(second_optimiser, *second, 3);
  EXPECT_TRUE(second->weight.equal(whole->weight));
  EXPECT_TRUE(second_optimiser.average().at("bias").equal(whole_optimiser.average().at("bias")));
}

// Weights in a short type are rounded from ones in float32, so that steps below their spacing add
// up.
TEST(TrainOptimiser, SmallStepsAddUpInShortTypes) {
  const auto network = small_network();
  network->to(at::kBFloat16);
  Optimiser optimiser(*network, {.weight_decay = 0});
  const auto before = network->weight.detach().to(at::kFloat).clone();
  for (int i = 0; i < 100; ++i) {
    optimiser.zero_gradients();
    network->weight.sum().backward();
    optimiser.step(1e-4);
  }
  EXPECT_EQ(network->weight.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(
      test::close(network->weight.detach().to(at::kFloat), before - 0.01, {.max_abs = 3e-3}));
}

// A gradient that is not finite changes nothing.
TEST(TrainOptimiser, SkipsGradientsThatAreNotFinite) {
  const auto network = small_network();
  Optimiser optimiser(*network, {});
  const auto before = network->weight.detach().clone();
  (network->weight.sum() * INFINITY).backward();
  EXPECT_FALSE(std::isfinite(optimiser.step(0.1)));
  EXPECT_TRUE(network->weight.equal(before));
  EXPECT_EQ(optimiser.steps(), 0);
}

// A checkpoint of another network, or one that lacks its counter, is refused by name.
TEST(TrainOptimiser, RefusesAnotherNetworksCheckpoint) {
  const auto network = small_network();
  auto other = std::make_shared<nn::Linear>(5, 3);
  nn::initialise_parameters(*other, 1);
  Optimiser optimiser(*network, {}), foreign(*other, {});
  auto uncounted = optimiser.save();
  uncounted.erase("steps");
  for (const auto& state : {foreign.save(), uncounted}) {
    try {
      optimiser.load(state, "state/unet.safetensors");
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kForeignModel);
      EXPECT_NE(std::string(error.what()).find("state/unet.safetensors"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace latentsync::train
