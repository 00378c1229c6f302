#include "core/device/fence.h"

#include <exception>

#include <c10/core/impl/VirtualGuardImpl.h>

namespace latentsync::device {

void synchronize(c10::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl streams(device.type());
  streams.synchronizeStream(streams.getStream(device));
}

UnwindingFence::UnwindingFence(c10::Device device)
    : device_(device), exceptions_(std::uncaught_exceptions()) {}

UnwindingFence::~UnwindingFence() {
  if (std::uncaught_exceptions() == exceptions_) return;
  try {
    synchronize(device_);
  } catch (...) {
    // A device that fails uses no memory any more, and the first exception says what happened.
  }
}

}  // namespace latentsync::device
