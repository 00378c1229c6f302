#include "core/nn/packed_ops.h"

#include <optional>
#include <string_view>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/mkldnn_reorder_conv2d_weight.h>

namespace latentsync::nn::packed {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using Scalars = c10::List<std::optional<at::Scalar>>;
using Name = std::string_view;
using OptionalName = std::optional<std::string_view>;

// These operators have schemas but no C++ declarations, so they are found by name, once.
template <typename Signature>
auto find(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

OptionalTensor optional(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

}  // namespace

bool available(c10::Device device, c10::ScalarType dtype) {
  if (!device.is_cpu() || !at::hasMKLDNN()) return false;
  return dtype == at::kFloat || (dtype == at::kBFloat16 && __builtin_cpu_supports("avx512bf16"));
}

at::Tensor pack_linear(const at::Tensor& weight) {
  static const auto op = find<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>(
      "mkldnn::_reorder_linear_weight");
  return op.call(weight.contiguous(), std::nullopt);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                  Activation activation) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&, Name, Scalars,
                      OptionalName)>("mkldnn::_linear_pointwise");
  if (activation == Activation::kGelu) {
    return op.call(x, packed, optional(bias), "gelu", Scalars(), "none");
  }
  return op.call(x, packed, optional(bias), "none", Scalars(), "");
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                  Binary binary, const at::Tensor& other) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                      const OptionalTensor&, Name)>("mkldnn::_linear_pointwise", "binary");
  return op.call(x, other, packed, optional(bias), binary == Binary::kAdd ? "add" : "mul");
}

at::Tensor pack_conv2d(at::Tensor weight, int64_t stride, int64_t padding) {
  const at::Tensor plain = weight.to_mkldnn();  // a copy
  weight.reset();
  return at::mkldnn_reorder_conv2d_weight(plain, {padding, padding}, {stride, stride}, {1, 1}, 1);
}

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                  int64_t stride, int64_t padding) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&, at::IntArrayRef,
                      at::IntArrayRef, at::IntArrayRef, int64_t, Name, Scalars, OptionalName)>(
          "mkldnn::_convolution_pointwise");
  const std::vector<int64_t> pads{padding, padding};
  const std::vector<int64_t> strides{stride, stride};
  const std::vector<int64_t> dilations{1, 1};
  return op.call(x, packed, optional(bias), pads, strides, dilations, 1, "none", Scalars(), "");
}

}  // namespace latentsync::nn::packed
