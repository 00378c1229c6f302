#pragma once

#include <optional>

#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>

/// Where the host waits for a device.
namespace latentsync::device {

/// Waits until DEVICE has done what this thread has launched on its current stream. Errors: what
/// the device reports.
void synchronize(c10::Device device);

/// Makes DEVICE current on this thread while it lives, for asking and destroying events. These make
/// their device current for a moment, and then the one that was: on a thread that uses no device
/// this would be the first one, which gets a context by it. This guard sets back only a device that
/// has a context already. Nothing on a CPU.
class CurrentDevice {
 public:
  explicit CurrentDevice(c10::Device device)
      : guard_(device.is_cpu() ? std::nullopt : std::optional(device)) {}

 private:
  c10::OptionalDeviceGuard guard_;
};

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
