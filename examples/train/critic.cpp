#include "examples/train/critic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/randn_like.h>

namespace latentsync::train {
namespace {

constexpr int64_t kWidth = 64;
constexpr double kNoise = 0.1;  // latents are about 1

// x: [N, 1, h / 2, w / 2], weights: [N, 1, h, w]
at::Tensor weighted_mean(const at::Tensor& x, const at::Tensor& weights) {
  const auto places = at::avg_pool2d(weights, 2);
  return (x * places).sum() / places.sum();
}

}  // namespace

Critic::Critic() {
  first_ = register_module("first", std::make_shared<nn::Conv2d>(8, kWidth));
  second_ = register_module(
      "second", std::make_shared<nn::Conv2d>(kWidth, 2 * kWidth, nn::Conv2dOptions{.stride = 2}));
  third_ = register_module("third", std::make_shared<nn::Conv2d>(2 * kWidth, 2 * kWidth));
  out_ = register_module("out", std::make_shared<nn::Conv2d>(2 * kWidth, 1));
}

at::Tensor Critic::forward(const at::Tensor& latents, const at::Tensor& reference) {
  constexpr double kSlope = 0.2;
  auto x = at::leaky_relu(first_->forward(at::cat({latents, reference}, 1)), kSlope);
  x = at::leaky_relu(second_->forward(x), kSlope);
  x = at::leaky_relu(third_->forward(x), kSlope);
  return out_->forward(x);
}

CriticTraining::CriticTraining(std::shared_ptr<Critic> critic)
    : critic_(std::move(critic)), optimiser_(*critic_, {.beta1 = 0.5, .largest_gradient = 10}) {}

at::Tensor CriticTraining::judge(const at::Tensor& latents, const at::Tensor& reference) {
  return critic_->forward(latents + kNoise * at::randn_like(latents), reference);
}

double CriticTraining::step(const at::Tensor& made, const at::Tensor& real,
                            const at::Tensor& reference, const at::Tensor& weights,
                            double learning_rate) {
  optimiser_.zero_gradients();
  const auto loss = weighted_mean((1 - judge(real, reference)).clamp_min(0), weights) +
                    weighted_mean((1 + judge(made.detach(), reference)).clamp_min(0), weights);
  loss.backward();
  optimiser_.step(learning_rate);
  return loss.item<double>();
}

at::Tensor CriticTraining::displeasure(const at::Tensor& made, const at::Tensor& reference,
                                       const at::Tensor& weights) {
  return -weighted_mean(judge(made, reference), weights);
}

}  // namespace latentsync::train
