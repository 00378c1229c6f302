#include "core/nn/prepare.h"

#include "core/nn/layers.h"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>

namespace latentsync::nn {

void prepare_for_inference(torch::nn::Module& module) {
  module.eval();
  for (auto& parameter : module.parameters()) parameter.requires_grad_(false);
  // Parents come before their children: a parent that packs a child's weight leaves nothing for the
  // child.
  if (auto* packable = dynamic_cast<Packable*>(&module)) packable->pack();
  for (const auto& child : module.modules(/*include_self=*/false)) {
    if (auto* packable = dynamic_cast<Packable*>(child.get())) packable->pack();
  }
}

void initialise_parameters(torch::nn::Module& module, int64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  for (auto& item : module.named_parameters()) {
    auto values = at::empty(item.value().sizes(), at::kFloat);
    if (item.key().ends_with("bias")) {
      values.zero_();
    } else if (values.dim() < 2) {
      values.fill_(1);
    } else {
      const double bound = 1 / std::sqrt(static_cast<double>(values[0].numel()));
      values.uniform_(-bound, bound, generator);
    }
    item.value().set_data(values.to(item.value().options()));
  }
}

}  // namespace latentsync::nn
