#pragma once

#include "core/nn/group_moments.h"
#include "core/nn/layers.h"

#include <cstdint>
#include <memory>

namespace latentsync::nn {

struct ResnetBlockOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t time_embedding_channels = 0;  ///< 0: no time embedding (VAE)
  int64_t groups = 32;
  double eps = 1e-6;
};

/// norm1, SiLU, conv1, + time embedding, norm2, SiLU, conv2, + shortcut (a 1x1 convolution where
/// the width changes). Parameter names: norm1, conv1, time_emb_proj, norm2, conv2, conv_shortcut
/// (source: latentsync/models/resnet.py, diffusers' ResnetBlock2D).
class ResnetBlock : public Module {
 public:
  explicit ResnetBlock(const ResnetBlockOptions& options);

  /// x [B*F, in, H, W] channels-last, b-major; the group norms' statistics run over each batch
  /// entry's F frames. time_shift [B, out]: what time_shift() gives; undefined without a time
  /// embedding. Returns [B*F, out, H, W] channels-last.
  at::Tensor forward(at::Tensor x, const at::Tensor& time_shift = {}, int64_t frames = 1);

  /// What the block adds behind conv1: [N, out] of SiLU of the time embedding (it is the same for
  /// all blocks), [N, time_embedding_channels]. Only with a time embedding.
  at::Tensor time_shift(const at::Tensor& activated_time_embedding) const;

  /// The block without time embedding and with frames = 1 in two halves, for pictures that are
  /// computed in parts (core/nn/tiles.h): up to norm2, and from there on. X and H: parts of the
  /// input and of first_half()'s result; NORM1 and NORM2: the moments of all of x and h. Not
  /// differentiable.
  at::Tensor first_half(const at::Tensor& x, const GroupMoments& norm1);
  at::Tensor second_half(at::Tensor h, const at::Tensor& x, const GroupMoments& norm2);
  int64_t groups() const { return groups_; }

 private:
  int64_t groups_;
  double eps_;
  std::shared_ptr<GroupNorm> norm1_, norm2_;
  std::shared_ptr<Conv2d> conv1_, conv2_, conv_shortcut_;
  std::shared_ptr<Linear> time_emb_proj_;
};

}  // namespace latentsync::nn
