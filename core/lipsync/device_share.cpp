#include "core/lipsync/device_share.h"

#include "core/lipsync/failure.h"

#include <algorithm>
#include <utility>

#include <ATen/DeviceAccelerator.h>

namespace latentsync::lipsync {
namespace {

// Of a budget, beside the weights.
int64_t rest_of(const MemoryPlan& plan) {
  return std::max<int64_t>(1, plan.budget - plan.rung().weights);
}

// For a budget that follows the device's free memory there is no limit.
int64_t headroom_of(const SessionMemory& memory) {
  return memory.available || memory.plan.budget <= 0 ? 0 : rest_of(memory.plan);
}

// Whether a plan for windows with PLANNED has room for a window with SETTINGS: fewer steps, and no
// guidance or cache, need no more.
bool covers(const RenderSettings& planned, const RenderSettings& settings) {
  return planned.resolution == settings.resolution && planned.attention == settings.attention &&
         planned.vae_batch == settings.vae_batch &&
         planned.inference_steps >= settings.inference_steps &&
         (planned.guidance_scale > 1 || settings.guidance_scale <= 1) &&
         (planned.feature_cache > 1 || settings.feature_cache <= 1);
}

}  // namespace

DeviceShare::DeviceShare(c10::Device device, SessionMemory memory)
    : executor_(device::Executor::of(device)),
      headroom_(headroom_of(memory)),
      rungs_(std::move(memory.plan), std::move(memory.shortages)),
      account_(std::make_shared<memory::Account>(memory.account_limit)),
      available_(std::move(memory.available)),
      plan_for_(std::move(memory.plan_for)),
      settings_(memory.settings),
      member_(DeviceSessions::of(device), rungs_) {}

bool DeviceShare::is_planned_for(const RenderSettings& settings) const {
  const std::lock_guard lock(settings_mutex_);
  return !plan_for_ || covers(settings_, settings);
}

void DeviceShare::plan_for(const RenderSettings& settings) {
  if (is_planned_for(settings)) return;
  auto plan = plan_for_(settings);
  if (!plan.fits()) throw refusal_of(plan);
  if (headroom_ > 0) headroom_ = rest_of(plan);
  if (account_->limit() > 0) account_->set_limit(rest_of(plan));
  rungs_.replace(std::move(plan));
  const std::lock_guard lock(settings_mutex_);
  settings_ = settings;
}

DeviceShare::WindowScope::WindowScope(DeviceShare& share, bool may_change_rung) : share_(share) {
  if (may_change_rung) {
    share_.rungs_.begin_window(share_.available_ ? std::optional(share_.available_())
                                                 : std::nullopt);
  }
  share_.member_.begin_window();
}

DeviceShare::WindowScope::~WindowScope() { share_.member_.end_window(); }

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
