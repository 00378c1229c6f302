#include "core/nn/in_place.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/relu.h>

namespace latentsync::nn {

bool may_overwrite(const at::Tensor& x) {
  return !at::GradMode::is_enabled() && x.use_count() == 1 && x.storage().use_count() == 1;
}

at::Tensor add_into(at::Tensor x, const at::Tensor& y) {
  return at::GradMode::is_enabled() ? x + y : x.add_(y);
}

at::Tensor relu_into(at::Tensor x) { return at::GradMode::is_enabled() ? at::relu(x) : x.relu_(); }

}  // namespace latentsync::nn
