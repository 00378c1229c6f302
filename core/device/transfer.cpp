#include "core/device/transfer.h"

#include <ATen/ops/empty.h>

namespace latentsync::device {

at::Tensor to_host(const at::Tensor& values, c10::ScalarType dtype) {
  const auto converted = values.to(dtype);
  if (converted.is_cpu()) return converted;
  const auto contiguous = converted.contiguous();
  // LibTorch keeps page-locked memory that was freed, and gives it out again when the copies that
  // use it have ended.
  auto host =
      at::empty(contiguous.sizes(), contiguous.options().device(c10::kCPU).pinned_memory(true));
  host.copy_(contiguous, /*non_blocking=*/true);
  return host;
}

}  // namespace latentsync::device
