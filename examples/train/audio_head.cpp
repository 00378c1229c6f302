#include "examples/train/audio_head.h"

namespace latentsync::train {

AudioHead::AudioHead(int64_t width, int64_t values) {
  out_ = register_module("out", std::make_shared<nn::Linear>(width, values));
}

at::Tensor AudioHead::forward(const at::Tensor& tokens) { return out_->forward(tokens.mean(1)); }

}  // namespace latentsync::train
