#pragma once

#include "core/nn/layers.h"
#include "core/nn/memory_options.h"
#include "core/nn/mouth_region.h"
#include "core/nn/run_constants.h"

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

/// How attention is computed, and whether the mouth weighs more than the rest of the face.
enum class AttentionMode {
  kStandard,  ///< softmax(QK^T)V written out
  kFlash,     ///< the fused kernel of the device; equal to kStandard but for rounding
  /// kFlash with the mouth emphasised in the spatial transformers: in self-attention the keys of
  /// the mouth region weigh double (ln 2 on their scores); in audio cross-attention the mouth's
  /// queries have their scores times 1.5.
  kFlex,
};

/// softmax(q k^T / sqrt(d)) v. q, k, v [..., tokens, d]; fused unless mode is kStandard, which
/// holds as many scores at once as MEMORY allows.
at::Tensor scaled_dot_product(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              AttentionMode mode, const MemoryOptions& memory = {});

/// Multi-head attention with the parameter names to_q, to_k, to_v (without bias) and to_out.0. What
/// it attends from (x) is let go of before the attention itself.
class Attention : public Module {
 public:
  /// context_dim: width of the keys' and values' source. heads divides dim.
  Attention(int64_t dim, int64_t context_dim, int64_t heads);

  /// Spatial self-attention. x [N, tokens, dim]; returns to_out(...) + residual.
  /// region: that of the tokens' grid; looked at in flex mode only.
  at::Tensor self_attention(at::Tensor x, const at::Tensor& residual, AttentionMode mode,
                            const MouthRegion& region = {}, const MemoryOptions& memory = {});

  /// to_k and to_v of context [N, S, context_dim].
  KeysAndValues keys_and_values(const at::Tensor& context);
  /// Audio cross-attention: x [N, tokens, dim] to the audio's keys and values; returns to_out(...)
  /// + residual.
  at::Tensor cross_attention(at::Tensor x, const KeysAndValues& audio, const at::Tensor& residual,
                             AttentionMode mode, const MouthRegion& region = {},
                             const MemoryOptions& memory = {});
  /// [dim]: all that cross_attention() adds to the residual where keys and values are zero.
  const at::Tensor& output_bias() const { return (*to_out_)[0]->bias; }

  /// Temporal self-attention: x [B*F, tokens, dim]; each token attends to itself in the other
  /// frames.
  at::Tensor temporal_attention(at::Tensor x, const at::Tensor& residual, int64_t frames,
                                AttentionMode mode, const MemoryOptions& memory = {});

 private:
  at::Tensor split_heads(const at::Tensor& x) const;
  at::Tensor project_out(const at::Tensor& heads, const at::Tensor& residual);

  int64_t heads_;
  std::shared_ptr<Linear> to_q_, to_k_, to_v_;
  std::shared_ptr<ModuleList<Linear>> to_out_;
};

}  // namespace latentsync::nn
