#include "core/nn/feed_forward.h"

#include "core/nn/in_place.h"
#include "core/nn/interruption.h"
#include "core/nn/packed_ops.h"
#include "kernels/geglu/geglu.h"

#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

namespace latentsync::nn {

class GatedProjection::Kernel {
 public:
  virtual ~Kernel() = default;
  virtual at::Tensor run(at::Tensor x) const = 0;
};

class GatedProjection::Dense : public Kernel {
 public:
  explicit Dense(std::shared_ptr<Linear> proj) : proj_(std::move(proj)) {}

  at::Tensor run(at::Tensor x) const override {
    const auto values_and_gates = proj_->forward(x);
    x.reset();
    return kernels::geglu(values_and_gates);
  }

 private:
  std::shared_ptr<Linear> proj_;
};

/// oneDNN's: the gates' activation and the product belong to the multiplications.
class GatedProjection::Packed : public Kernel {
 public:
  Packed(const at::Tensor& weight, at::Tensor bias) : bias_(std::move(bias)) {
    const auto halves = weight.chunk(2);
    values_ = packed::pack_linear(halves[0]);
    gates_ = packed::pack_linear(halves[1]);
  }

  at::Tensor run(at::Tensor x) const override {
    const auto biases = bias_.chunk(2);
    const auto gates = packed::linear(x, gates_, biases[1], packed::Activation::kGelu);
    check_interruption();
    return packed::linear(x, values_, biases[0], packed::Binary::kMul, gates);
  }

 private:
  at::Tensor values_, gates_, bias_;
};

GatedProjection::GatedProjection(int64_t dim, int64_t inner) {
  proj_ = register_module("proj", std::make_shared<Linear>(dim, 2 * inner));
  kernel_ = std::make_shared<Dense>(proj_);
}

at::Tensor GatedProjection::forward(at::Tensor x) {
  check_interruption();
  return kernel_->run(std::move(x));
}

void GatedProjection::pack() {
  auto& weight = proj_->weight;
  if (weight.numel() == 0 || !packed::available(weight.device(), weight.scalar_type())) return;
  kernel_ = std::make_shared<Packed>(weight.detach(), proj_->bias);
  release_weight(weight);
}

FeedForward::FeedForward(int64_t dim) {
  constexpr int64_t kExpansion = 4;
  // Number 1 is the reference's dropout, which has no parameters.
  const auto net = register_module("net", std::make_shared<ModuleList<Module>>());
  gate_ = std::make_shared<GatedProjection>(dim, kExpansion * dim);
  out_ = std::make_shared<Linear>(kExpansion * dim, dim);
  net->push_back(gate_);
  net->push_back(nullptr);
  net->push_back(out_);
}

at::Tensor FeedForward::forward_rows(at::Tensor x, const at::Tensor& residual) {
  const auto gated = gate_->forward(std::move(x));
  return out_->forward_add(gated, residual);
}

at::Tensor FeedForward::forward(at::Tensor x, at::Tensor residual, const MemoryOptions& memory) {
  if (memory.feed_forward_chunks <= 1 || at::GradMode::is_enabled()) {
    return forward_rows(std::move(x), residual);
  }
  auto result = may_overwrite(residual) && residual.is_contiguous()
                    ? residual
                    : at::empty_like(residual, at::MemoryFormat::Contiguous);
  const auto in = x.flatten(0, -2), add = residual.flatten(0, -2), out = result.flatten(0, -2);
  const int64_t rows = in.size(0);
  const int64_t chunk = (rows + memory.feed_forward_chunks - 1) / memory.feed_forward_chunks;
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    const auto part = [&](const at::Tensor& t) {
      return t.narrow(0, begin, std::min(chunk, rows - begin));
    };
    part(out).copy_(forward_rows(part(in), part(add)));
  }
  return result;
}

}  // namespace latentsync::nn
