#include "kernels/geglu/geglu.h"
#include "kernels/group_norm/group_norm.h"
#include "kernels/temporal_attention/temporal_attention.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

/// The ops on tensors without memory: results of the shapes, dtypes and layouts that the devices'
/// kernels give, so that a network's memory can be counted without running it.
namespace latentsync::kernels {
namespace {

at::Tensor group_norm_meta(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                           const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                           int64_t frames, double /*eps*/, bool /*silu*/) {
  check_group_norm(x, shift, weight, bias, groups, frames);
  return at::empty_like(x.contiguous(at::MemoryFormat::ChannelsLast),
                        at::MemoryFormat::ChannelsLast);
}

at::Tensor geglu_meta(const at::Tensor& x) {
  check_geglu(x);
  auto sizes = x.sizes().vec();
  sizes.back() /= 2;
  return at::empty(sizes, x.contiguous().options());
}

at::Tensor temporal_attention_meta(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   int64_t heads, int64_t frames) {
  check_temporal_attention(q, k, v, heads, frames);
  const auto queries = q.contiguous(), keys = k.contiguous(), values = v.contiguous();
  return at::empty_like(queries);
}

}  // namespace

TORCH_LIBRARY_IMPL(latentsync, Meta, m) {
  m.impl("group_norm", group_norm_meta);
  m.impl("geglu", geglu_meta);
  m.impl("temporal_attention", temporal_attention_meta);
}

}  // namespace latentsync::kernels
