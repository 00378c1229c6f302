#include "examples/train/parted_pass.h"

#include <algorithm>
#include <exception>
#include <omp.h>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <ATen/ops/cat.h>

namespace latentsync::train {

void for_parts(c10::Device device, int64_t count,
               const std::function<void(int64_t, int64_t)>& body) {
  const int64_t parts = device.is_cpu() ? std::min<int64_t>(at::get_num_threads(), count) : 1;
  if (parts < 2) return body(0, count);
  const at::ThreadLocalState state;
  std::vector<std::exception_ptr> errors(static_cast<size_t>(parts));
  {
    std::vector<std::jthread> threads;
    for (int64_t part = 0; part < parts; ++part) {
      threads.emplace_back([&, part] {
        const at::ThreadLocalStateGuard guard(state);
        at::internal::lazy_init_num_threads();  // else a first operator would undo the next line
        omp_set_num_threads(1);
        try {
          const auto begin = part * count / parts, end = (part + 1) * count / parts;
          body(begin, end - begin);
        } catch (...) {
          errors[static_cast<size_t>(part)] = std::current_exception();
        }
      });
    }
  }
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
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
