#include "examples/train/audio_head.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace latentsync::train {

AudioHead::AudioHead(int64_t width, int64_t values) {
  queries_ = register_parameter("queries", at::empty({kQueries, kInner}));
  key_ = register_module("key", std::make_shared<nn::Linear>(width, kInner, false));
  value_ = register_module("value", std::make_shared<nn::Linear>(width, kInner));
  hidden_ = register_module("hidden", std::make_shared<nn::Linear>(kQueries * kInner, kInner));
  out_ = register_module("out", std::make_shared<nn::Linear>(kInner, values));
}

at::Tensor AudioHead::forward(const at::Tensor& tokens) {
  const auto heads = [](const at::Tensor& x) {  // [N, S, kInner] -> [N, kHeads, S, kInner / kHeads]
    return x.unflatten(2, {kHeads, kInner / kHeads}).transpose(1, 2);
  };
  const auto queries = heads(queries_.unsqueeze(0)).expand({tokens.size(0), -1, -1, -1});
  const auto mixed = at::scaled_dot_product_attention(queries, heads(key_->forward(tokens)),
                                                      heads(value_->forward(tokens)));
  return out_->forward(at::gelu(hidden_->forward(mixed.transpose(1, 2).flatten(1))));
}

}  // namespace latentsync::train
