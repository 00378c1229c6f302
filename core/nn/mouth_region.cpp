#include "core/nn/mouth_region.h"

#include <vector>

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

namespace latentsync::nn {

at::Tensor mouth_tokens(int64_t height, int64_t width) {
  // In whole numbers, so that 0.6 * 10 is 6 and not a rounding error away from it.
  std::vector<int64_t> tokens;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t middle = 10 * (2 * x + 1);  // of the token, in twentieths
      if (10 * y >= 6 * height && middle >= 6 * width && middle <= 14 * width) {
        tokens.push_back(y * width + x);
      }
    }
  }
  return at::tensor(tokens, at::kLong);
}

MouthRegion MouthRegions::of(int64_t height, int64_t width, const at::TensorOptions& options) {
  const Key key{height, width, options.device().str(), c10::typeMetaToScalarType(options.dtype())};
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(key);
  if (found != regions_.end()) return found->second;
  // Other callers may record gradients, which tensors of inference mode cannot be part of.
  const c10::InferenceMode no_inference(false);
  const auto tokens = mouth_tokens(height, width);
  auto scale = at::ones({height * width, 1}, at::kFloat);
  scale.index_fill_(0, tokens, kFlexCrossAttentionScale);
  // Converted before it is copied: the copy is complete when it returns, a conversion on the device
  // would be so on this thread's stream alone.
  const auto query_scale = scale.to(c10::typeMetaToScalarType(options.dtype()));
  return regions_
      .emplace(key, MouthRegion{tokens.to(options.device()), query_scale.to(options.device())})
      .first->second;
}

}  // namespace latentsync::nn
