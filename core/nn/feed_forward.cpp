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

GatedProjection::GatedProjection(int64_t dim, int64_t inner) {
  proj_ = register_module("proj", std::make_shared<Linear>(dim, 2 * inner));
}

at::Tensor GatedProjection::forward(at::Tensor x) {
  check_interruption();
  if (packed_values_.defined()) {
    const auto biases = proj_->bias.chunk(2);
    const auto gates = packed::linear(x, packed_gates_, biases[1], packed::Activation::kGelu);
    check_interruption();
    return packed::linear(x, packed_values_, biases[0], packed::Binary::kMul, gates);
  }
  const auto values_and_gates = proj_->forward(x);
  x.reset();
  return kernels::geglu(values_and_gates);
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
