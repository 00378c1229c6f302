#pragma once

#include "core/nn/attention.h"
#include "core/nn/feed_forward.h"
#include "core/nn/layers.h"

#include <cstdint>
#include <memory>

namespace latentsync::nn {

struct MotionModuleOptions {
  int64_t channels = 0;
  int64_t heads = 8;
  int64_t transformer_blocks = 1;
  int64_t attentions = 2;   ///< temporal self-attentions in each transformer block
  int64_t max_frames = 24;  ///< length of the position encoding
};

/// Each position of the picture attends to itself over the frames of the window (AnimateDiff's
/// motion module). Parameter names below temporal_transformer: norm, proj_in,
/// transformer_blocks.N.{attention_blocks.M.{to_q, to_k, to_v, to_out.0, pos_encoder.pe}, norms.M,
/// ff, ff_norm}, proj_out (source: latentsync/models/motion_module.py).
class MotionModule : public Module {
 public:
  explicit MotionModule(const MotionModuleOptions& options);

  /// x [B*F, C, H, W] channels-last, b-major, F <= max_frames.
  at::Tensor forward(const at::Tensor& x, int64_t frames, AttentionMode mode,
                     const MemoryOptions& memory = {});

 private:
  class TemporalTransformer;
  std::shared_ptr<TemporalTransformer> transformer_;
};

/// Self-attention over frames, with the frames' positions added to its input.
class TemporalAttention : public Attention {
 public:
  TemporalAttention(int64_t dim, int64_t heads, int64_t max_frames);

  /// x [B*F, tokens, dim], normalised; returns the attention's output + residual.
  at::Tensor forward(at::Tensor x, const at::Tensor& residual, int64_t frames, AttentionMode mode,
                     const MemoryOptions& memory = {});

 private:
  class PositionEncoding;
  std::shared_ptr<PositionEncoding> pos_encoder_;
};

}  // namespace latentsync::nn
