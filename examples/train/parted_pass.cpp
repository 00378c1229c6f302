#include "examples/train/parted_pass.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

namespace latentsync::train {

void for_parts(c10::Device device, int64_t count,
               const std::function<void(int64_t, int64_t)>& body) {
  const int64_t parts = device.is_cpu() ? std::min<int64_t>(at::get_num_threads(), count) : 1;
  if (parts < 2) return body(0, count);
  const bool gradients = at::GradMode::is_enabled();
  at::parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    const at::AutoGradMode mode(gradients);
    const auto begin = first * count / parts, end = last * count / parts;
    body(begin, end - begin);
  });
}

PartedPass::PartedPass(c10::Device device, int64_t count,
                       const std::function<at::Tensor(int64_t, int64_t)>& network)
    : device_(device), parts_(static_cast<size_t>(count)) {
  for_parts(device, count, [&](int64_t begin, int64_t length) {
    parts_[static_cast<size_t>(begin)] = network(begin, length);
  });
  std::vector<at::Tensor> made;
  for (const auto& part : parts_) {
    if (part.defined()) made.push_back(part.detach());
  }
  output_ = at::cat(made).requires_grad_(true);
}

void PartedPass::backward(const at::Tensor& gradient) {
  for_parts(device_, static_cast<int64_t>(parts_.size()), [&](int64_t begin, int64_t) {
    const auto& part = parts_[static_cast<size_t>(begin)];
    int64_t before = 0;
    for (int64_t i = 0; i < begin; ++i) {
      const auto& other = parts_[static_cast<size_t>(i)];
      if (other.defined()) before += other.size(0);
    }
    part.backward(gradient.narrow(0, before, part.size(0)));
  });
}

}  // namespace latentsync::train
