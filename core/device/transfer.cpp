#include "core/device/transfer.h"

#include "core/device/executor.h"

#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

namespace latentsync::device {
namespace {

// LibTorch keeps page-locked memory that was freed, and gives it out again when the copies that use
// it have ended.
at::Tensor host_memory_like(const at::Tensor& values, bool page_locked) {
  return at::empty(values.sizes(), values.options().device(c10::kCPU).pinned_memory(page_locked));
}

}  // namespace

at::Tensor to_host(const at::Tensor& values, c10::ScalarType dtype) {
  const auto converted = values.to(dtype);
  if (converted.is_cpu()) return converted;
  const auto contiguous = converted.contiguous();
  auto host = host_memory_like(contiguous, /*page_locked=*/true);
  host.copy_(contiguous, /*non_blocking=*/true);
  return host;
}

at::Tensor read_back(const at::Tensor& values) {
  if (const auto* executor = Executor::current()) executor->count_wait();
  return values.is_cpu() ? values : values.cpu();
}

at::Tensor staging(int64_t bytes, c10::Device device) {
  return at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu()));
}

at::Tensor upload(const at::Tensor& staged, c10::Device device) {
  if (const auto* current = Executor::current()) {
    current->count_upload(static_cast<int64_t>(staged.nbytes()));
  }
  if (device.is_cpu()) return staged;
  const auto& executor = Executor::of(device);
  if (!executor.is_current()) return staged.to(device);
  c10::Event copied(device.type());
  at::Tensor target;
  {
    // The copy stream's own memory: no kernel that has been launched uses it.
    const c10::StreamGuard guard(executor.copy_stream());
    target = at::empty(staged.sizes(), staged.options().device(device).pinned_memory(false));
    target.copy_(staged, /*non_blocking=*/true);
    copied.record(executor.copy_stream());
  }
  copied.block(executor.stream());
  target.record_stream(executor.stream());
  return target;
}

at::Tensor to_device(const at::Tensor& values, c10::Device device) {
  const bool there = values.device().type() == device.type() &&
                     (!device.has_index() || values.device().index() == device.index());
  if (there) return values;
  if (!values.is_cpu() || device.is_cpu() || device.is_meta()) return values.to(device);
  const auto contiguous = values.contiguous();
  if (contiguous.is_pinned()) return upload(contiguous, device);
  const auto staged = host_memory_like(contiguous, /*page_locked=*/true);
  staged.copy_(contiguous);
  return upload(staged, device);
}

}  // namespace latentsync::device
