#include "core/lipsync/device_share.h"

#include <algorithm>
#include <utility>

#include <ATen/DeviceAccelerator.h>

namespace latentsync::lipsync {
namespace {

// Beside the weights; for a budget that follows the device's free memory there is no limit.
int64_t headroom_of(const SessionMemory& memory) {
  if (memory.available || memory.plan.budget <= 0) return 0;
  return std::max<int64_t>(1, memory.plan.budget - memory.plan.rung().weights);
}

}  // namespace

DeviceShare::DeviceShare(c10::Device device, SessionMemory memory)
    : executor_(device::Executor::of(device)),
      headroom_(headroom_of(memory)),
      rungs_(std::move(memory.plan)),
      account_(std::make_shared<memory::Account>(memory.account_limit)),
      available_(std::move(memory.available)) {
  if (!device.is_cpu()) member_.emplace(DeviceSessions::of(device), rungs_);
}

DeviceShare::WindowScope::WindowScope(DeviceShare& share, bool may_change_rung) : share_(share) {
  if (may_change_rung) {
    share_.rungs_.begin_window(share_.available_ ? std::optional(share_.available_())
                                                 : std::nullopt);
  }
  if (share_.member_) share_.member_->begin_window();
}

DeviceShare::WindowScope::~WindowScope() {
  if (share_.member_) share_.member_->end_window();
}

int64_t DeviceShare::memory_peak() const {
  const auto device = executor_.device();
  if (device.is_cpu()) return account_->peak();
  return at::accelerator::getDeviceStats(device.index()).allocated_bytes[0].peak;
}

void DeviceShare::reset_memory_peak() {
  const auto device = executor_.device();
  if (device.is_cpu()) {
    account_->reset_peak();
  } else {
    at::accelerator::resetPeakStats(device.index());
  }
}

}  // namespace latentsync::lipsync
