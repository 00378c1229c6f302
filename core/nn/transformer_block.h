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
class TransformerBlock : public Module {
 public:
  TransformerBlock(int64_t dim, int64_t audio_dim, int64_t heads);

  /// x [B*F, height*width, dim]; audio: keys and values of the last N <= B*F frames; those
  /// before them have none, as if they were zero. region: as Attention::self_attention.
  at::Tensor forward(at::Tensor x, const KeysAndValues& audio, AttentionMode mode,
                     const MouthRegion& region, const MemoryOptions& memory);

  KeysAndValues audio_keys(const at::Tensor& audio) { return attn2_->keys_and_values(audio); }

 private:
  at::Tensor attend_to_audio(at::Tensor x, const KeysAndValues& audio, AttentionMode mode,
                             const MouthRegion& region, const MemoryOptions& memory);

  std::shared_ptr<LayerNorm> norm1_, norm2_, norm3_;
  std::shared_ptr<Attention> attn1_, attn2_;
  std::shared_ptr<FeedForward> ff_;
};

/// Group norm (per frame, eps 1e-6), 1x1 projection, one transformer block over the frame's tokens,
/// 1x1 projection, residual. Parameter names: norm, proj_in, transformer_blocks.0, proj_out.
class SpatialTransformer : public Module {
 public:
  SpatialTransformer(int64_t channels, int64_t audio_dim, int64_t heads, int64_t norm_groups);

  /// Keys and values of audio [N, S, audio_dim].
  KeysAndValues audio_keys(const at::Tensor& audio) { return (*blocks_)[0]->audio_keys(audio); }

  /// x [B*F, C, H, W] channels-last; audio: of the last N <= B*F frames, undefined where N is 0;
  /// for the frames before them it is as audio of zeros. regions: asked in flex mode only.
  at::Tensor forward(const at::Tensor& x, const KeysAndValues& audio, AttentionMode mode,
                     MouthRegions& regions, const MemoryOptions& memory = {});

 private:
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<Conv2d> proj_in_, proj_out_;
  std::shared_ptr<ModuleList<TransformerBlock>> blocks_;
};

}  // namespace latentsync::nn
