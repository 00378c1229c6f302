#include "kernels/temporal_attention/temporal_attention.h"
#include "kernels/temporal_attention/temporal_attention_loops.h"

#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

namespace latentsync::kernels {
namespace {

at::Tensor temporal_attention_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  int64_t heads, int64_t frames) {
  const auto dtype = q.scalar_type();
  if (q.numel() == 0 || frames > kTemporalAttentionMaxFrames ||
      (dtype != at::kFloat && dtype != at::kBFloat16)) {
    return temporal_attention_composite(q, k, v, heads, frames);
  }
  check_temporal_attention(q, k, v, heads, frames);
  const auto queries = q.contiguous();
  const auto keys = k.contiguous();
  const auto values = v.contiguous();
  const auto out = at::empty_like(queries);
  const TemporalAttentionShape shape{frames, q.size(1), heads, q.size(2) / heads};
  const auto element = dtype == at::kFloat ? Element::kFloat : Element::kBfloat16;
  const int64_t entry_bytes = frames * q.size(1) * q.size(2) * q.element_size();
  const int64_t entries = q.size(0) / frames;
  const auto at_entry = [entry_bytes](const at::Tensor& x, int64_t b) {
    return static_cast<const char*>(x.const_data_ptr()) + b * entry_bytes;
  };
  at::parallel_for(0, entries * shape.tokens, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(frames * frames + frames * shape.head_dim);
    for (int64_t b = begin / shape.tokens; b * shape.tokens < end; ++b) {
      const int64_t first = std::max<int64_t>(begin - b * shape.tokens, 0);
      const int64_t last = std::min(end - b * shape.tokens, shape.tokens);
      LATENTSYNC_CPU_DISPATCH(temporal_attention_tokens, element, shape, at_entry(queries, b),
                              at_entry(keys, b), at_entry(values, b), first, last, scratch.data(),
                              static_cast<char*>(out.mutable_data_ptr()) + b * entry_bytes);
    }
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(latentsync, CPU, m) { m.impl("temporal_attention", temporal_attention_cpu); }

}  // namespace latentsync::kernels
