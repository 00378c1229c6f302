#pragma once

#include "core/nn/attention.h"
#include "core/nn/feed_forward.h"
#include "core/nn/layers.h"

#include <cstdint>
#include <memory>

namespace latentsync::nn {

/// Self-attention, audio cross-attention and feed-forward, each behind a layer norm and with a
/// residual. Parameter names: norm1, attn1, norm2, attn2, norm3, ff (source:
/// latentsync/models/attention.py).
class TransformerBlock : public torch::nn::Module {
 public:
  TransformerBlock(int64_t dim, int64_t audio_dim, int64_t heads);

  /// x [B*F, height*width, dim]; audio [B*F, S, audio_dim]. region: as Attention::self_attention.
  at::Tensor forward(at::Tensor x, const at::Tensor& audio, AttentionMode mode,
                     const MouthRegion& region, const MemoryOptions& memory);

 private:
  std::shared_ptr<LayerNorm> norm1_, norm2_, norm3_;
  std::shared_ptr<Attention> attn1_, attn2_;
  std::shared_ptr<FeedForward> ff_;
};

/// Group norm (per frame, eps 1e-6), 1x1 projection, one transformer block over the frame's tokens,
/// 1x1 projection, residual. Parameter names: norm, proj_in, transformer_blocks.0, proj_out.
class SpatialTransformer : public torch::nn::Module {
 public:
  SpatialTransformer(int64_t channels, int64_t audio_dim, int64_t heads, int64_t norm_groups);

  /// x [B*F, C, H, W] channels-last; audio [B*F, S, audio_dim]. regions: asked in flex mode only.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& audio, AttentionMode mode,
                     MouthRegions& regions, const MemoryOptions& memory = {});

 private:
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<Conv2d> proj_in_, proj_out_;
  std::shared_ptr<ModuleList<TransformerBlock>> blocks_;
};

}  // namespace latentsync::nn
