#pragma once

#include "core/nn/layers.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// Predicts a frame's mouth from its audio tokens, to train the audio encoder with; thrown away
/// afterwards. It reads the tokens' mean. The UNet's cross-attention has no position code and
/// begins as little more than a mean, too: an encoder trained for this head has its say heard from
/// the first step. A mean over ten rows blurs 200 ms; the encoder, which sees further, learns to
/// sharpen what it gives so that the mean is right.
class AudioHead : public nn::Module {
 public:
  AudioHead(int64_t width, int64_t values);

  /// tokens [N, S, width] -> [N, values].
  at::Tensor forward(const at::Tensor& tokens);

 private:
  std::shared_ptr<nn::Linear> out_;
};

}  // namespace latentsync::train
