#include "core/nn/transformer_block.h"

#include "core/nn/tokens.h"

#include <utility>

namespace latentsync::nn {

TransformerBlock::TransformerBlock(int64_t dim, int64_t audio_dim, int64_t heads) {
  norm1_ = register_module("norm1", std::make_shared<LayerNorm>(dim));
  attn1_ = register_module("attn1", std::make_shared<Attention>(dim, dim, heads));
  norm2_ = register_module("norm2", std::make_shared<LayerNorm>(dim));
  attn2_ = register_module("attn2", std::make_shared<Attention>(dim, audio_dim, heads));
  norm3_ = register_module("norm3", std::make_shared<LayerNorm>(dim));
  ff_ = register_module("ff", std::make_shared<FeedForward>(dim));
}

// Where keys and values are zero, so is their weighted sum: only the output's bias is left. x is
// written over.
at::Tensor TransformerBlock::attend_to_audio(at::Tensor x, const KeysAndValues& audio,
                                             AttentionMode mode, const MouthRegion& region,
                                             const MemoryOptions& memory) {
  const int64_t conditioned = audio.keys.defined() ? audio.keys.size(0) : 0;
  const int64_t unconditioned = x.size(0) - conditioned;
  if (unconditioned == 0) {
    return attn2_->cross_attention(norm2_->forward(x), audio, x, mode, region, memory);
  }
  x.narrow(0, 0, unconditioned).add_(attn2_->output_bias());
  if (conditioned > 0) {
    const auto rest = x.narrow(0, unconditioned, conditioned);
    rest.copy_(attn2_->cross_attention(norm2_->forward(rest), audio, rest, mode, region, memory));
  }
  return x;
}

at::Tensor TransformerBlock::forward(at::Tensor x, const KeysAndValues& audio, AttentionMode mode,
                                     const MouthRegion& region, const MemoryOptions& memory) {
  x = attn1_->self_attention(norm1_->forward(x), x, mode, region, memory);
  x = attend_to_audio(std::move(x), audio, mode, region, memory);
  auto normed = norm3_->forward(x);
  return ff_->forward(std::move(normed), std::move(x), memory);
}

SpatialTransformer::SpatialTransformer(int64_t channels, int64_t audio_dim, int64_t heads,
                                       int64_t norm_groups) {
  const Conv2dOptions pointwise{.kernel = 1, .padding = 0};
  norm_ = register_module("norm", std::make_shared<GroupNorm>(norm_groups, channels, 1e-6));
  proj_in_ = register_module("proj_in", std::make_shared<Conv2d>(channels, channels, pointwise));
  blocks_ = register_module("transformer_blocks", std::make_shared<ModuleList<TransformerBlock>>());
  blocks_->push_back(std::make_shared<TransformerBlock>(channels, audio_dim, heads));
  proj_out_ = register_module("proj_out", std::make_shared<Conv2d>(channels, channels, pointwise));
}

at::Tensor SpatialTransformer::forward(const at::Tensor& x, const KeysAndValues& audio,
                                       AttentionMode mode, MouthRegions& regions,
                                       const MemoryOptions& memory) {
  const auto height = x.size(2);
  const auto width = x.size(3);
  auto tokens = proj_in_->forward_tokens(to_tokens(norm_->forward(x)));
  const auto region =
      mode == AttentionMode::kFlex ? regions.of(height, width, tokens.options()) : MouthRegion{};
  for (const auto& block : *blocks_) {
    tokens = block->forward(std::move(tokens), audio, mode, region, memory);
  }
  return from_tokens(proj_out_->forward_tokens_add(tokens, to_tokens(x)), height, width);
}

}  // namespace latentsync::nn
