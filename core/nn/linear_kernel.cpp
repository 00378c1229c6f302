#include "core/nn/linear_kernel.h"

#include "core/nn/in_place.h"
#include "core/nn/packed_ops.h"

#include <utility>

#include <ATen/ops/linear.h>

namespace latentsync::nn {
namespace {

class DenseLinear : public LinearKernel {
 public:
  DenseLinear(at::Tensor weight, at::Tensor bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  at::Tensor run(const at::Tensor& x) const override {
    return at::linear(x, weight_.flatten(1), bias_);
  }
  at::Tensor run_add(const at::Tensor& x, const at::Tensor& residual) const override {
    return add_into(run(x), residual);
  }

 private:
  at::Tensor weight_, bias_;
};

class PackedLinear : public LinearKernel {
 public:
  PackedLinear(const at::Tensor& weight, at::Tensor bias)
      : packed_(packed::pack_linear(weight.flatten(1))), bias_(std::move(bias)) {}

  at::Tensor run(const at::Tensor& x) const override { return packed::linear(x, packed_, bias_); }
  at::Tensor run_add(const at::Tensor& x, const at::Tensor& residual) const override {
    return packed::linear(x, packed_, bias_, packed::Binary::kAdd, residual);
  }

 private:
  at::Tensor packed_, bias_;
};

}  // namespace

std::shared_ptr<const LinearKernel> dense_linear(const at::Tensor& weight, const at::Tensor& bias) {
  return std::make_shared<DenseLinear>(weight, bias);
}

std::shared_ptr<const LinearKernel> packed_linear(const at::Tensor& weight,
                                                  const at::Tensor& bias) {
  return std::make_shared<PackedLinear>(weight, bias);
}

}  // namespace latentsync::nn
