#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

/// [N, C, H, W] (channels-last) as [N, H*W, C], and back. Views where the memory allows it.
at::Tensor to_tokens(const at::Tensor& x);
at::Tensor from_tokens(const at::Tensor& tokens, int64_t height, int64_t width);

}  // namespace latentsync::nn
