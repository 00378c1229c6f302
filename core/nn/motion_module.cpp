#include "core/nn/motion_module.h"

#include "core/nn/config.h"
#include "core/nn/in_place.h"
#include "core/nn/parameter.h"
#include "core/nn/tokens.h"

#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/stack.h>

namespace latentsync::nn {

// pe [1, max_frames, dim]: sin on even, cos on odd columns of position * 10000^(-2k / dim), in
// float32 as the reference makes it; a buffer, which checkpoints have too.
class TemporalAttention::PositionEncoding : public Module {
 public:
  PositionEncoding(int64_t dim, int64_t max_frames) {
    const auto position = at::arange(max_frames, at::kFloat).unsqueeze(1);
    const auto frequency = at::exp(at::arange(0, dim, 2, at::kFloat) *
                                   (-std::log(10000.0) / static_cast<double>(dim)));
    const auto angle = position * frequency;
    pe = register_buffer(
        "pe", new_buffer(at::stack({angle.sin(), angle.cos()}, 2).flatten(1).unsqueeze(0)));
  }

  // x [B*F, tokens, dim]
  at::Tensor add_to(at::Tensor x, int64_t frames) const {
    const auto by_frame = pe.slice(1, 0, frames).unsqueeze(2);  // [1, F, 1, dim]
    const bool in_place = may_overwrite(x);
    const auto windows = x.unflatten(0, {x.size(0) / frames, frames});
    return (in_place ? windows.add_(by_frame) : windows + by_frame).flatten(0, 1);
  }

  at::Tensor pe;
};

TemporalAttention::TemporalAttention(int64_t dim, int64_t heads, int64_t max_frames)
    : Attention(dim, dim, heads) {
  pos_encoder_ =
      register_module("pos_encoder", std::make_shared<PositionEncoding>(dim, max_frames));
}

at::Tensor TemporalAttention::forward(at::Tensor x, const at::Tensor& residual, int64_t frames,
                                      AttentionMode mode, const MemoryOptions& memory) {
  x = pos_encoder_->add_to(std::move(x), frames);
  return temporal_attention(std::move(x), residual, frames, mode, memory);
}

namespace {

class TemporalBlock : public Module {
 public:
  explicit TemporalBlock(const MotionModuleOptions& options) {
    attentions_ =
        register_module("attention_blocks", std::make_shared<ModuleList<TemporalAttention>>());
    norms_ = register_module("norms", std::make_shared<ModuleList<LayerNorm>>());
    for (int64_t i = 0; i < options.attentions; ++i) {
      attentions_->push_back(
          std::make_shared<TemporalAttention>(options.channels, options.heads, options.max_frames));
      norms_->push_back(std::make_shared<LayerNorm>(options.channels));
    }
    ff_ = register_module("ff", std::make_shared<FeedForward>(options.channels));
    ff_norm_ = register_module("ff_norm", std::make_shared<LayerNorm>(options.channels));
  }

  at::Tensor forward(at::Tensor x, int64_t frames, AttentionMode mode,
                     const MemoryOptions& memory) {
    for (size_t i = 0; i < attentions_->size(); ++i) {
      x = (*attentions_)[i]->forward((*norms_)[i]->forward(x), x, frames, mode, memory);
    }
    auto normed = ff_norm_->forward(x);
    return ff_->forward(std::move(normed), std::move(x), memory);
  }

 private:
  std::shared_ptr<ModuleList<TemporalAttention>> attentions_;
  std::shared_ptr<ModuleList<LayerNorm>> norms_;
  std::shared_ptr<FeedForward> ff_;
  std::shared_ptr<LayerNorm> ff_norm_;
};

}  // namespace

class MotionModule::TemporalTransformer : public Module {
 public:
  explicit TemporalTransformer(const MotionModuleOptions& options) {
    norm_ = register_module("norm",
                            std::make_shared<GroupNorm>(kMotionNormGroups, options.channels, 1e-6));
    proj_in_ =
        register_module("proj_in", std::make_shared<Linear>(options.channels, options.channels));
    blocks_ = register_module("transformer_blocks", std::make_shared<ModuleList<TemporalBlock>>());
    for (int64_t i = 0; i < options.transformer_blocks; ++i) {
      blocks_->push_back(std::make_shared<TemporalBlock>(options));
    }
    proj_out_ =
        register_module("proj_out", std::make_shared<Linear>(options.channels, options.channels));
  }

  at::Tensor forward(const at::Tensor& x, int64_t frames, AttentionMode mode,
                     const MemoryOptions& memory) {
    auto tokens = proj_in_->forward(to_tokens(norm_->forward(x)));
    for (const auto& block : *blocks_) {
      tokens = block->forward(std::move(tokens), frames, mode, memory);
    }
    return from_tokens(proj_out_->forward_add(tokens, to_tokens(x)), x.size(2), x.size(3));
  }

 private:
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<Linear> proj_in_, proj_out_;
  std::shared_ptr<ModuleList<TemporalBlock>> blocks_;
};

MotionModule::MotionModule(const MotionModuleOptions& options) {
  transformer_ =
      register_module("temporal_transformer", std::make_shared<TemporalTransformer>(options));
}

at::Tensor MotionModule::forward(const at::Tensor& x, int64_t frames, AttentionMode mode,
                                 const MemoryOptions& memory) {
  return transformer_->forward(x, frames, mode, memory);
}

}  // namespace latentsync::nn
