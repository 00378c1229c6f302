#include "kernels/temporal_attention/temporal_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

namespace latentsync::kernels {

void check_temporal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              int64_t heads, int64_t frames) {
  TORCH_CHECK(q.dim() == 3 && q.is_floating_point(),
              "temporal_attention: q is [B*F, T, H*d] of a floating type");
  for (const auto* other : {&k, &v}) {
    TORCH_CHECK(other->sizes() == q.sizes() && other->scalar_type() == q.scalar_type() &&
                    other->device() == q.device(),
                "temporal_attention: q, k and v have one shape, dtype and device");
  }
  TORCH_CHECK(heads > 0 && q.size(2) % heads == 0, "temporal_attention: ", heads,
              " heads do not divide ", q.size(2), " channels");
  TORCH_CHECK(frames > 0 && q.size(0) % frames == 0, "temporal_attention: ", frames,
              " frames do not divide ", q.size(0), " entries");
}

at::Tensor temporal_attention_composite(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v, int64_t heads, int64_t frames) {
  check_temporal_attention(q, k, v, heads, frames);
  // [B*F, T, H*d] -> [B*T, H, F, d]
  const auto across_frames = [&](const at::Tensor& x) {
    return x.reshape({x.size(0) / frames, frames, x.size(1), heads, x.size(2) / heads})
        .permute({0, 2, 3, 1, 4})
        .flatten(0, 1);
  };
  const auto attended =
      at::scaled_dot_product_attention(across_frames(q), across_frames(k), across_frames(v));
  return attended.unflatten(0, {q.size(0) / frames, q.size(1)})
      .permute({0, 3, 1, 2, 4})
      .reshape(q.sizes());
}

namespace {

const auto& op() {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("latentsync::temporal_attention", "")
                                 .typed<decltype(temporal_attention_composite)>();
  return handle;
}

at::Tensor autograd(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                    int64_t frames) {
  if (at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad())) {
    return temporal_attention_composite(q, k, v, heads, frames);
  }
  const at::AutoDispatchBelowAutograd below;
  return op().call(q, k, v, heads, frames);
}

}  // namespace

at::Tensor temporal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              int64_t heads, int64_t frames) {
  return op().call(q, k, v, heads, frames);
}

TORCH_LIBRARY_IMPL(latentsync, CompositeExplicitAutograd, m) {
  m.impl("temporal_attention", temporal_attention_composite);
}
TORCH_LIBRARY_IMPL(latentsync, Autograd, m) { m.impl("temporal_attention", autograd); }

}  // namespace latentsync::kernels
