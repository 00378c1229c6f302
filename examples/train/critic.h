#pragma once

#include "core/nn/layers.h"
#include "examples/train/optimiser.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// Tells true latents from generated ones, place by place: a small convolutional network that the
/// UNet has to deceive, because what is right on average is blurred. Thrown away afterwards.
class Critic : public nn::Module {
 public:
  Critic();

  /// latents, reference [N, 4, h, w] (another frame of the same face) -> [N, 1, h / 2, w / 2],
  /// larger where they look true.
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& reference);

 private:
  std::shared_ptr<nn::Conv2d> first_, second_, third_, out_;
};

/// Trains a critic with hinge losses; both sides get some noise, so that it does not judge by what
/// cannot be seen.
class CriticTraining {
 public:
  explicit CriticTraining(std::shared_ptr<Critic> critic);

  /// One step; MADE is not followed back. WEIGHTS: [N, 1, h, w], what places count. Returns the
  /// loss, 2 where the critic knows nothing.
  double step(const at::Tensor& made, const at::Tensor& real, const at::Tensor& reference,
              const at::Tensor& weights, double learning_rate);
  /// What the generator is to make small.
  at::Tensor displeasure(const at::Tensor& made, const at::Tensor& reference,
                         const at::Tensor& weights);

  Optimiser& optimiser() { return optimiser_; }

 private:
  at::Tensor judge(const at::Tensor& latents, const at::Tensor& reference);

  std::shared_ptr<Critic> critic_;
  Optimiser optimiser_;
};

}  // namespace latentsync::train
