#include "core/device/stage_clock.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace latentsync::device {
namespace {

// Asking and destroying an event makes its device current for a moment, and then the one that was:
// on a thread that uses no device this would be the first one, which gets a context by it. A guard
// of this device sets back only one that has a context already.
std::optional<c10::Device> guarded(c10::Device device) {
  return device.is_cpu() ? std::nullopt : std::optional(device);
}

}  // namespace

StageClock::~StageClock() {
  const c10::OptionalDeviceGuard guard(guarded(device_));
  stages_.clear();
}

// Behind all that has been launched on the current stream so far.
std::optional<c10::Event> StageClock::event_now() const {
  if (device_.is_cpu()) return {};
  const c10::impl::VirtualGuardImpl streams(device_.type());
  c10::Event event(device_.type(), c10::EventFlag::BACKEND_DEFAULT);  // one with a time
  event.record(streams.getStream(device_));
  return event;
}

StageClock::Stage StageClock::begin(double& seconds) const {
  return {.seconds = &seconds, .began = Clock::now(), .first = event_now()};
}

void StageClock::end(Stage stage) {
  stage.ended = Clock::now();
  stage.last = event_now();
  stages_.push_back(std::move(stage));
}

void StageClock::collect() {
  const c10::OptionalDeviceGuard guard(guarded(device_));
  for (const auto& stage : stages_) {
    if (stage.last) {
      constexpr double kSecondsPerMillisecond = 1e-3;
      stage.last->synchronize();
      *stage.seconds += stage.first->elapsedTime(*stage.last) * kSecondsPerMillisecond;
    } else {
      *stage.seconds += std::chrono::duration<double>(stage.ended - stage.began).count();
    }
  }
  stages_.clear();
}

}  // namespace latentsync::device
