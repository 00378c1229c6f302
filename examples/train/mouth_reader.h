#pragma once

#include "core/nn/layers.h"
#include "examples/train/latent_pool.h"
#include "examples/train/optimiser.h"

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// Reads the mouth (the values of Clip::mouth) off a frame's latents: a small convolutional network
/// whose judgement serves as the sync term of the UNet's loss, and thrown away afterwards.
class MouthReader : public nn::Module {
 public:
  /// SIDE: of the latents, a multiple of 4.
  explicit MouthReader(int64_t side);

  /// latents [N, 4, side, side] -> [N, Clip::kMouthValues].
  at::Tensor forward(const at::Tensor& latents);

 private:
  std::shared_ptr<nn::Conv2d> first_, second_, third_;
  std::shared_ptr<nn::Linear> hidden_, out_;
};

/// Trains a reader on a pool's frames, with noise and blur of latents such as the UNet's own
/// predictions have.
class ReaderTraining {
 public:
  /// POOL stays as it is meanwhile. Errors: kInvalidArgument where all its pieces are mirrored.
  ReaderTraining(std::shared_ptr<MouthReader> reader, const LatentPool& pool, c10::Device device);
  double step(double learning_rate, Random& random);
  Optimiser& optimiser() { return optimiser_; }

 private:
  std::shared_ptr<MouthReader> reader_;
  const LatentPool& pool_;
  c10::Device device_;
  std::vector<int64_t> slots_;  // the lips' components know left from right: not the mirrored ones
  Optimiser optimiser_;
};

}  // namespace latentsync::train
