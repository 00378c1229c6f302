#include "kernels/temporal_attention/temporal_attention_cuda.h"

#include "kernels/cuda/tensors.h"
#include "kernels/temporal_attention/temporal_attention.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace latentsync::kernels {
namespace {

// A warp's share of shared memory above which ATen's attention is taken instead.
constexpr int64_t kMostWarpBytes = 99 << 10;

at::Tensor temporal_attention_cuda(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   int64_t heads, int64_t frames) {
  check_temporal_attention(q, k, v, heads, frames);
  const auto element = cuda_element(q.scalar_type());
  const int64_t head_dim = q.size(2) / heads;
  if (!element || q.numel() == 0 || frames > kTemporalAttentionMaxFrames ||
      temporal_attention_warp_bytes(frames, head_dim) > kMostWarpBytes) {
    return temporal_attention_composite(q, k, v, heads, frames);
  }
  const c10::cuda::CUDAGuard guard(q.device());
  const auto queries = q.contiguous();
  const auto keys = k.contiguous();
  const auto values = v.contiguous();
  const auto out = at::empty_like(queries);
  C10_CUDA_CHECK(launch_temporal_attention(
      *element, queries.const_data_ptr(), keys.const_data_ptr(), values.const_data_ptr(),
      q.size(0) / frames, frames, q.size(1), heads, head_dim, out.mutable_data_ptr(),
      c10::cuda::getCurrentCUDAStream()));
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(latentsync, CUDA, m) { m.impl("temporal_attention", temporal_attention_cuda); }

}  // namespace latentsync::kernels
