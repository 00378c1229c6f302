#include "core/nn/prepare.h"

#include "core/nn/interruption.h"
#include "core/nn/layers.h"

#include <cmath>
#include <malloc.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>

namespace latentsync::nn {
namespace {

int64_t parameter_bytes(const Module& module) {
  int64_t bytes = 0;
  for (const auto& parameter : module.parameters())
    bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

/// Packs layers one by one and gives the memory of their dense weights back to the system.
///
/// Once a process has freed a large block, glibc takes blocks of up to 32 MiB from its heap, and a
/// freed weight leaves a hole there that the next packed weight, being aligned, does not fit into:
/// the network would be resident twice at the end.
class Packer {
 public:
  void pack(Module& module) {
    auto* packable = dynamic_cast<Packable*>(&module);
    if (packable == nullptr) return;
    check_interruption();
    const int64_t before = parameter_bytes(module);
    packable->pack();
    freed_ += before - parameter_bytes(module);
    if (freed_ >= kMostFreed) give_back();
  }

  void give_back() {
#ifdef __GLIBC__
    if (freed_ > 0) ::malloc_trim(0);
#endif
    freed_ = 0;
  }

 private:
  static constexpr int64_t kMostFreed = 32 << 20;  // bytes that wait to be given back

  int64_t freed_ = 0;
};

}  // namespace

void prepare_for_inference(Module& module) {
  for (auto& parameter : module.parameters()) parameter.requires_grad_(false);
  // Parents come before their children: a parent that packs a child's weight leaves nothing for the
  // child.
  Packer packer;
  packer.pack(module);
  for (const auto& child : module.modules()) packer.pack(*child);
  packer.give_back();
}

void prepare_for_training(Module& module) {
  for (const auto& part : module.modules()) {
    if (auto* layer = dynamic_cast<Packable*>(part.get())) layer->choose_for_training();
  }
  if (auto* layer = dynamic_cast<Packable*>(&module)) layer->choose_for_training();
}

void initialise_parameters(Module& module, int64_t seed) {
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
