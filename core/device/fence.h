#pragma once

#include <c10/core/Device.h>

/// Where the host waits for a device.
namespace latentsync::device {

/// Waits until DEVICE has done what this thread has launched on its current stream. Errors: what
/// the device reports.
void synchronize(c10::Device device);

/// Waits likewise at the end of a scope that an exception leaves: kernels and copies that were
/// launched before it was thrown may still use memory of the host that the caller unmaps next. A
/// scope that ends without one is not kept waiting.
class UnwindingFence {
 public:
  explicit UnwindingFence(c10::Device device);
  UnwindingFence(const UnwindingFence&) = delete;
  UnwindingFence& operator=(const UnwindingFence&) = delete;
  ~UnwindingFence();

 private:
  c10::Device device_;
  int exceptions_;  // that were on their way when the scope was entered
};

}  // namespace latentsync::device
