#include "core/nn/feed_forward.h"

#include "core/nn/interruption.h"
#include "core/nn/packed_ops.h"
#include "kernels/geglu/geglu.h"

namespace latentsync::nn {

GatedProjection::GatedProjection(int64_t dim, int64_t inner) {
  proj_ = register_module("proj", std::make_shared<Linear>(dim, 2 * inner));
}

at::Tensor GatedProjection::forward(const at::Tensor& x) {
  check_interruption();
  if (packed_values_.defined()) {
    const auto biases = proj_->bias.chunk(2);
    const auto gates = packed::linear(x, packed_gates_, biases[1], packed::Activation::kGelu);
    check_interruption();
    return packed::linear(x, packed_values_, biases[0], packed::Binary::kMul, gates);
  }
  return kernels::geglu(proj_->forward(x));
}

void GatedProjection::pack() {
  auto& weight = proj_->weight;
  if (weight.numel() == 0 || !packed::available(weight.device(), weight.scalar_type())) return;
  const auto halves = weight.detach().chunk(2);
  packed_values_ = packed::pack_linear(halves[0]);
  packed_gates_ = packed::pack_linear(halves[1]);
  release_weight(weight);
}

FeedForward::FeedForward(int64_t dim) {
  constexpr int64_t kExpansion = 4;
  // Number 1 is the reference's dropout, which has no parameters.
  const auto net = register_module("net", std::make_shared<ModuleList<torch::nn::Module>>());
  gate_ = std::make_shared<GatedProjection>(dim, kExpansion * dim);
  out_ = std::make_shared<Linear>(kExpansion * dim, dim);
  net->push_back(gate_);
  net->push_back(nullptr);
  net->push_back(out_);
}

at::Tensor FeedForward::forward(const at::Tensor& x, const at::Tensor& residual) {
  return out_->forward_add(gate_->forward(x), residual);
}

}  // namespace latentsync::nn
