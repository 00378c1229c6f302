#pragma once

#include "core/nn/layers.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// Predicts a frame's mouth from its audio tokens, to train the audio encoder with; thrown away
/// afterwards. Learned queries attend to the tokens without any position code, as the UNet's
/// cross-attention does, so that the encoder must tell the middle row from the others itself.
class AudioHead : public torch::nn::Module {
 public:
  AudioHead(int64_t width, int64_t values);

  /// tokens [N, S, width] -> [N, values].
  at::Tensor forward(const at::Tensor& tokens);

 private:
  static constexpr int64_t kQueries = 8;
  static constexpr int64_t kHeads = 4;
  static constexpr int64_t kInner = 128;

  at::Tensor queries_;  // [kQueries, kInner]
  std::shared_ptr<nn::Linear> key_, value_, hidden_, out_;
};

}  // namespace latentsync::train
