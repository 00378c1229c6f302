#include "core/nn/parameter.h"

#include <utility>

#include <ATen/ops/empty.h>

namespace latentsync::nn {
namespace {

thread_local const at::TensorOptions* current = nullptr;

}  // namespace

ParametersOn::ParametersOn(c10::Device device, c10::ScalarType dtype)
    : options_(at::TensorOptions(device).dtype(dtype)),
      before_(std::exchange(current, &options_)) {}

ParametersOn::~ParametersOn() { current = before_; }

at::Tensor new_parameter(at::IntArrayRef sizes) {
  return current != nullptr ? at::empty(sizes, *current) : at::empty(sizes);
}

at::Tensor new_buffer(const at::Tensor& values) {
  return current != nullptr ? values.to(*current) : values;
}

}  // namespace latentsync::nn
