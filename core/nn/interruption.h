#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include <ATen/core/Tensor.h>

/// Evaluating a large network on a CPU takes minutes; these let a caller give up in between.
namespace latentsync::nn {

/// While it lives, check_interruption() on this thread throws as soon as STOP is requested. As
/// LibTorch's own guards it holds for all that the thread calls, so that layers need no argument
/// for it. The innermost one counts.
class Interruptible {
 public:
  explicit Interruptible(std::stop_token stop);
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  ~Interruptible();

 private:
  std::stop_token stop_;
  const std::stop_token* before_;
};

/// What every layer calls first: throws kCancelled where the thread's guard says so. Costs nothing
/// beside a layer.
void check_interruption();

/// RUN(begin, count) for COUNT of the IMAGES of a layer that needs so many OPERATIONS for all of
/// them (a multiplication and an addition are two): its results [count, ...], put together. On a
/// CPU what takes long goes in parts, with a look at the guard before each, so that the answer to a
/// stop comes within a second or two; elsewhere, and where gradients are recorded, all goes at
/// once.
at::Tensor in_parts(int64_t images, double operations, c10::Device device,
                    const std::function<at::Tensor(int64_t begin, int64_t count)>& run);

}  // namespace latentsync::nn
