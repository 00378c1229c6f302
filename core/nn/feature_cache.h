#pragma once

#include <ATen/core/Tensor.h>

/// The hidden state that a UNet keeps between denoising steps (DeepCache, branch 0).
namespace latentsync::nn {

enum class CacheUse {
  kNone,   ///< a full evaluation that keeps nothing
  kStore,  ///< a full evaluation that leaves its hidden state in the cache
  kReuse,  ///< only conv_in, the last layer of the last up block and the output convolution run
};

/// Belongs to one run of the denoising loop. Both halves of a guided batch are in it.
struct FeatureCache {
  /// [B*F, C, H, W], what enters the last resnet of the last up block before the skip connection is
  /// appended; undefined until the first kStore.
  at::Tensor hidden;
};

}  // namespace latentsync::nn
