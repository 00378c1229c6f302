#include "core/nn/attention.h"

#include "core/nn/interruption.h"
#include "kernels/temporal_attention/temporal_attention.h"

#include <algorithm>
#include <tuple>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace latentsync::nn {

namespace {

// Scores that are held at once, written out in float32 whatever the dtype of q.
int64_t most_scores(c10::Device device, const MemoryOptions& memory) {
  const int64_t bytes = memory.score_bytes > 0 ? memory.score_bytes
                        : device.is_cpu()      ? int64_t{256} << 20
                                               : int64_t{1} << 30;
  return std::max<int64_t>(1, bytes / static_cast<int64_t>(sizeof(float)));
}

// Written out for a few rows of q at a time, and few batch entries: rows do not depend on each
// other. q, k, v [N, ..., tokens, d].
at::Tensor sliced_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const MemoryOptions& memory) {
  const auto attend = [](const at::Tensor& some_q, const at::Tensor& some_k,
                         const at::Tensor& some_v) {
    return std::get<0>(at::_scaled_dot_product_attention_math(some_q, some_k, some_v));
  };
  const int64_t entries = q.size(0), rows = q.size(-2);
  const int64_t scores = q.numel() / q.size(-1) * k.size(-2);
  const int64_t most = most_scores(q.device(), memory);
  if (scores <= most || at::GradMode::is_enabled()) return attend(q, k, v);
  const int64_t batch = std::max<int64_t>(1, entries * most / scores);
  const int64_t run = std::clamp<int64_t>(entries * rows * most / scores, 1, rows);
  const auto result = at::empty(q.sizes(), q.options());
  for (int64_t entry = 0; entry < entries; entry += batch) {
    const int64_t count = std::min(batch, entries - entry);
    for (int64_t row = 0; row < rows; row += run) {
      check_interruption();
      const int64_t length = std::min(run, rows - row);
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, entry, count); };
      part(result)
          .narrow(-2, row, length)
          .copy_(attend(part(q).narrow(-2, row, length), part(k), part(v)));
    }
  }
  return result;
}

// What exponentials cost beside multiplications, about.
constexpr int64_t kOperationsPerScore = 100;

}  // namespace

at::Tensor scaled_dot_product(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              AttentionMode mode, const MemoryOptions& memory) {
  if (mode == AttentionMode::kStandard) return sliced_attention(q, k, v, memory);
  const auto scores = static_cast<double>(q.numel() / q.size(-1)) * static_cast<double>(k.size(-2));
  const auto operations = scores * static_cast<double>(4 * q.size(-1) + kOperationsPerScore);
  return in_parts(q.size(0), operations, q.device(), [&](int64_t begin, int64_t count) {
    return at::scaled_dot_product_attention(q.narrow(0, begin, count), k.narrow(0, begin, count),
                                            v.narrow(0, begin, count));
  });
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

at::Tensor Attention::self_attention(at::Tensor x, const at::Tensor& residual, AttentionMode mode,
                                     const MouthRegion& region, const MemoryOptions& memory) {
  auto q = split_heads(to_q_->forward(x));
  auto k = split_heads(to_k_->forward(x));
  auto v = split_heads(to_v_->forward(x));
  x.reset();
  if (mode == AttentionMode::kFlex) {
    // A key that is there twice weighs double: exp(s) + exp(s) = exp(s + ln 2).
    k = at::cat({k, k.index_select(2, region.tokens)}, 2);
    v = at::cat({v, v.index_select(2, region.tokens)}, 2);
  }
  const auto heads = scaled_dot_product(q, k, v, mode, memory);
  q.reset();
  k.reset();
  v.reset();
  return project_out(heads, residual);
}

KeysAndValues Attention::keys_and_values(const at::Tensor& context) {
  return {to_k_->forward(context), to_v_->forward(context)};
}

at::Tensor Attention::cross_attention(at::Tensor x, const KeysAndValues& audio,
                                      const at::Tensor& residual, AttentionMode mode,
                                      const MouthRegion& region, const MemoryOptions& memory) {
  auto q = to_q_->forward(x);
  x.reset();
  if (mode == AttentionMode::kFlex) {
    q = at::GradMode::is_enabled() ? q * region.query_scale : q.mul_(region.query_scale);
  }
  const auto heads = scaled_dot_product(split_heads(q), split_heads(audio.keys),
                                        split_heads(audio.values), mode, memory);
  q.reset();
  return project_out(heads, residual);
}

at::Tensor Attention::temporal_attention(at::Tensor x, const at::Tensor& residual, int64_t frames,
                                         AttentionMode mode, const MemoryOptions& memory) {
  auto q = to_q_->forward(x);
  auto k = to_k_->forward(x);
  auto v = to_v_->forward(x);
  x.reset();
  at::Tensor attended;
  if (mode == AttentionMode::kStandard) {
    // [B*F, tokens, dim] -> [B, tokens, heads, F, dim / heads]
    const auto across_frames = [&](const at::Tensor& y) {
      return y.reshape({y.size(0) / frames, frames, y.size(1), heads_, y.size(2) / heads_})
          .permute({0, 2, 3, 1, 4});
    };
    attended =
        scaled_dot_product(across_frames(q), across_frames(k), across_frames(v), mode, memory)
            .permute({0, 3, 1, 2, 4})
            .reshape(q.sizes());
  } else {
    attended = kernels::temporal_attention(q, k, v, heads_, frames);
  }
  q.reset();
  k.reset();
  v.reset();
  return (*to_out_)[0]->forward_add(attended, residual);
}

}  // namespace latentsync::nn
