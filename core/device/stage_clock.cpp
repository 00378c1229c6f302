#include "core/device/stage_clock.h"

#include "core/device/fence.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace latentsync::device {

StageClock::~StageClock() {
  if (stages_.empty()) return;
  try {
    const CurrentDevice current(device_);
    stages_.clear();
  } catch (...) {
    // A device that fails now has said so before.
  }
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
  const CurrentDevice current(device_);
  for (const auto& stage : stages_) {
    if (stage.last) {
      constexpr double kSecondsPerMillisecond = 1e-3;
      if (!stage.last->query()) stage.last->synchronize();
      *stage.seconds += stage.first->elapsedTime(*stage.last) * kSecondsPerMillisecond;
    } else {
      *stage.seconds += std::chrono::duration<double>(stage.ended - stage.began).count();
    }
  }
  stages_.clear();
}

}  // namespace latentsync::device
