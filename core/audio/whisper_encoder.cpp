#include "core/audio/whisper_encoder.h"

#include "core/error.h"
#include "core/nn/parameter.h"

#include <cmath>
#include <sstream>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/stack.h>

namespace latentsync::audio {
namespace {

// sin in the first half of the columns, cos in the second; in float32 steps as the reference takes
// them, because float32 angles of up to n_audio_ctx radians are 1e-4 coarse.
at::Tensor sinusoids(int64_t positions, int64_t width) {
  const auto half = width / 2;
  const double step = std::log(10000.0) / static_cast<double>(half - 1);
  const auto rates = (at::arange(half, at::kFloat) * -step).exp();
  const auto angles = at::outer(at::arange(positions, at::kFloat), rates);
  return at::cat({angles.sin(), angles.cos()}, 1);
}

}  // namespace

class WhisperConvolution : public nn::Module {
 public:
  WhisperConvolution(int64_t in, int64_t out, int64_t stride) : stride_(stride) {
    weight_ = register_parameter("weight", nn::new_parameter({out, in, 3}));
    bias_ = register_parameter("bias", nn::new_parameter({out}));
  }

  at::Tensor forward(const at::Tensor& x) {
    return at::gelu(at::conv1d(x, weight_, bias_, stride_, /*padding=*/1));
  }

 private:
  at::Tensor weight_, bias_;
  int64_t stride_;
};

namespace {

class WhisperAttention : public nn::Module {
 public:
  WhisperAttention(int64_t width, int64_t heads) : heads_(heads) {
    query_ = register_module("query", std::make_shared<nn::Linear>(width, width));
    key_ = register_module("key", std::make_shared<nn::Linear>(width, width, false));
    value_ = register_module("value", std::make_shared<nn::Linear>(width, width));
    out_ = register_module("out", std::make_shared<nn::Linear>(width, width));
  }

  at::Tensor forward(const at::Tensor& x) {
    const auto split = [&](const at::Tensor& y) {
      return y.unflatten(-1, {heads_, -1}).transpose(1, 2);  // [B, heads, tokens, d]
    };
    const auto mixed = at::scaled_dot_product_attention(
        split(query_->forward(x)), split(key_->forward(x)), split(value_->forward(x)));
    return out_->forward(mixed.transpose(1, 2).flatten(2));
  }

 private:
  int64_t heads_;
  std::shared_ptr<nn::Linear> query_, key_, value_, out_;
};

class FeedForward : public nn::Module {
 public:
  explicit FeedForward(int64_t width) {
    widen_ = register_module("0", std::make_shared<nn::Linear>(width, 4 * width));
    narrow_ = register_module("2", std::make_shared<nn::Linear>(4 * width, width));
  }

  at::Tensor forward(const at::Tensor& x) { return narrow_->forward(at::gelu(widen_->forward(x))); }

 private:
  std::shared_ptr<nn::Linear> widen_, narrow_;
};

}  // namespace

class WhisperBlock : public nn::Module {
 public:
  WhisperBlock(int64_t width, int64_t heads) {
    attn_ = register_module("attn", std::make_shared<WhisperAttention>(width, heads));
    attn_ln_ = register_module("attn_ln", std::make_shared<nn::LayerNorm>(width));
    mlp_ = register_module("mlp", std::make_shared<FeedForward>(width));
    mlp_ln_ = register_module("mlp_ln", std::make_shared<nn::LayerNorm>(width));
  }

  at::Tensor forward(const at::Tensor& x) {
    const auto attended = x + attn_->forward(attn_ln_->forward(x));
    return attended + mlp_->forward(mlp_ln_->forward(attended));
  }

 private:
  std::shared_ptr<WhisperAttention> attn_;
  std::shared_ptr<nn::LayerNorm> attn_ln_, mlp_ln_;
  std::shared_ptr<FeedForward> mlp_;
};

WhisperEncoder::WhisperEncoder(const nn::WhisperConfig& config) : config_(config) {
  const auto width = config.n_audio_state;
  if (config.n_audio_head < 1 || width % config.n_audio_head != 0 || width % 2 != 0) {
    throw Error(ErrorCode::kInvalidArgument, "an audio encoder of width " + std::to_string(width) +
                                                 " cannot have " +
                                                 std::to_string(config.n_audio_head) + " heads");
  }
  conv1_ = register_module("conv1", std::make_shared<WhisperConvolution>(config.n_mels, width, 1));
  conv2_ = register_module("conv2", std::make_shared<WhisperConvolution>(width, width, 2));
  positional_embedding_ =
      register_buffer("positional_embedding", nn::new_buffer(sinusoids(config.n_audio_ctx, width)));
  const auto list = register_module("blocks", std::make_shared<nn::Module>());
  for (int64_t i = 0; i < config.n_audio_layer; ++i) {
    blocks_.push_back(list->register_module(
        std::to_string(i), std::make_shared<WhisperBlock>(width, config.n_audio_head)));
  }
  ln_post_ = register_module("ln_post", std::make_shared<nn::LayerNorm>(width));
}

at::Tensor WhisperEncoder::forward(const at::Tensor& mel) {
  if (mel.dim() != 3 || mel.size(1) != config_.n_mels || mel.size(2) != 2 * config_.n_audio_ctx) {
    std::ostringstream text;
    text << "the audio encoder takes [B, " << config_.n_mels << ", " << 2 * config_.n_audio_ctx
         << "], not " << mel.sizes();
    throw Error(ErrorCode::kInvalidArgument, text.str());
  }
  auto x = conv2_->forward(conv1_->forward(mel)).transpose(1, 2) + positional_embedding_;
  x = x.contiguous();
  std::vector<at::Tensor> states = {x};
  for (const auto& block : blocks_) states.push_back(x = block->forward(x));
  return at::stack(states, 1);
}

at::Tensor WhisperEncoder::output(const at::Tensor& states) {
  return ln_post_->forward(states.select(1, -1));
}

}  // namespace latentsync::audio
