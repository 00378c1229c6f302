#include "kernels/geglu/geglu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/gelu.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

namespace latentsync::kernels {

void check_geglu(const at::Tensor& x) {
  TORCH_CHECK(x.dim() >= 1 && x.is_floating_point() && x.size(-1) % 2 == 0,
              "geglu: x is [..., 2 n] of a floating type, not ", x.sizes());
}

at::Tensor geglu_composite(const at::Tensor& x) {
  check_geglu(x);
  const auto halves = x.chunk(2, -1);
  auto gates = at::gelu(halves[1]);
  return at::GradMode::is_enabled() ? halves[0] * gates : gates.mul_(halves[0]);
}

namespace {

const auto& op() {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("latentsync::geglu", "")
                                 .typed<decltype(geglu_composite)>();
  return handle;
}

at::Tensor autograd(const at::Tensor& x) {
  if (at::GradMode::is_enabled() && x.requires_grad()) return geglu_composite(x);
  const at::AutoDispatchBelowAutograd below;
  return op().call(x);
}

}  // namespace

at::Tensor geglu(const at::Tensor& x) { return op().call(x); }

TORCH_LIBRARY_IMPL(latentsync, CompositeExplicitAutograd, m) { m.impl("geglu", geglu_composite); }
TORCH_LIBRARY_IMPL(latentsync, Autograd, m) { m.impl("geglu", autograd); }

}  // namespace latentsync::kernels
