#include "core/nn/attention.h"

#include "kernels/temporal_attention/temporal_attention.h"

#include <tuple>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace latentsync::nn {

at::Tensor scaled_dot_product(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              AttentionMode mode) {
  if (mode == AttentionMode::kStandard) {
    return std::get<0>(at::_scaled_dot_product_attention_math(q, k, v));
  }
  return at::scaled_dot_product_attention(q, k, v);
}

Attention::Attention(int64_t dim, int64_t context_dim, int64_t heads) : heads_(heads) {
  to_q_ = register_module("to_q", std::make_shared<Linear>(dim, dim, false));
  to_k_ = register_module("to_k", std::make_shared<Linear>(context_dim, dim, false));
  to_v_ = register_module("to_v", std::make_shared<Linear>(context_dim, dim, false));
  to_out_ = register_module("to_out", std::make_shared<ModuleList<Linear>>());
  to_out_->push_back(std::make_shared<Linear>(dim, dim));
}

// [N, tokens, dim] -> [N, heads, tokens, dim / heads], a view.
at::Tensor Attention::split_heads(const at::Tensor& x) const {
  return x.unflatten(2, {heads_, x.size(2) / heads_}).transpose(1, 2);
}

at::Tensor Attention::project_out(const at::Tensor& heads, const at::Tensor& residual) {
  return (*to_out_)[0]->forward_add(heads.transpose(1, 2).flatten(2), residual);
}

at::Tensor Attention::self_attention(const at::Tensor& x, const at::Tensor& residual,
                                     AttentionMode mode, const MouthRegion& region) {
  const auto q = split_heads(to_q_->forward(x));
  auto k = split_heads(to_k_->forward(x));
  auto v = split_heads(to_v_->forward(x));
  if (mode == AttentionMode::kFlex) {
    // A key that is there twice weighs double: exp(s) + exp(s) = exp(s + ln 2).
    k = at::cat({k, k.index_select(2, region.tokens)}, 2);
    v = at::cat({v, v.index_select(2, region.tokens)}, 2);
  }
  return project_out(scaled_dot_product(q, k, v, mode), residual);
}

at::Tensor Attention::cross_attention(const at::Tensor& x, const at::Tensor& context,
                                      const at::Tensor& residual, AttentionMode mode,
                                      const MouthRegion& region) {
  auto q = to_q_->forward(x);
  if (mode == AttentionMode::kFlex) q = q * region.query_scale;
  return project_out(scaled_dot_product(split_heads(q), split_heads(to_k_->forward(context)),
                                        split_heads(to_v_->forward(context)), mode),
                     residual);
}

at::Tensor Attention::temporal_attention(const at::Tensor& x, const at::Tensor& residual,
                                         int64_t frames, AttentionMode mode) {
  const auto q = to_q_->forward(x);
  const auto k = to_k_->forward(x);
  const auto v = to_v_->forward(x);
  if (mode != AttentionMode::kStandard) {
    return (*to_out_)[0]->forward_add(kernels::temporal_attention(q, k, v, heads_, frames),
                                      residual);
  }
  // [B*F, tokens, dim] -> [B, tokens, heads, F, dim / heads]
  const auto across_frames = [&](const at::Tensor& y) {
    return y.reshape({y.size(0) / frames, frames, y.size(1), heads_, y.size(2) / heads_})
        .permute({0, 2, 3, 1, 4});
  };
  const auto attended =
      scaled_dot_product(across_frames(q), across_frames(k), across_frames(v), mode);
  return (*to_out_)[0]->forward_add(attended.permute({0, 3, 1, 2, 4}).reshape(x.sizes()), residual);
}

}  // namespace latentsync::nn
