#include "core/nn/interruption.h"

#include "core/error.h"

#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>

namespace latentsync::nn {
namespace {

thread_local const std::stop_token* current = nullptr;

// About half a second of two cores in float32.
constexpr double kMostOperations = 1e11;

}  // namespace

Interruptible::Interruptible(std::stop_token stop)
    : stop_(std::move(stop)), before_(std::exchange(current, &stop_)) {}

Interruptible::~Interruptible() { current = before_; }

void check_interruption() {
  if (current != nullptr && current->stop_requested()) {
    throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  }
}

at::Tensor in_parts(int64_t images, double operations, c10::Device device,
                    const std::function<at::Tensor(int64_t, int64_t)>& run) {
  check_interruption();
  const bool whole =
      operations <= kMostOperations || !device.is_cpu() || at::GradMode::is_enabled();
  const auto most = whole ? images : static_cast<int64_t>(images * kMostOperations / operations);
  const auto count = std::clamp<int64_t>(most, 1, images);
  if (count == images) return run(0, images);
  at::Tensor result;
  for (int64_t begin = 0; begin < images; begin += count) {
    check_interruption();
    const auto part = run(begin, std::min(count, images - begin));
    if (!result.defined()) {
      // As the part lies in memory, image by image.
      auto sizes = part.sizes().vec();
      auto strides = part.strides().vec();
      strides[0] = part.numel() / sizes[0];
      sizes[0] = images;
      result = at::empty_strided(sizes, strides, part.options());
    }
    result.narrow(0, begin, part.size(0)).copy_(part);
  }
  return result;
}

}  // namespace latentsync::nn
