#include "tests/gst/fake_preparation.h"

#include "tests/gst/fake_control.h"
#include "tests/gst/fake_device.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace latentsync::fake {

Preparation::Prepared Preparation::read(const Window& window,
                                        const RenderSettings& settings) const {
  DeviceWork work(device_);
  Prepared read{.audio = {window.audio.begin(), window.audio.end()},
                .audio_start = window.audio_start,
                .discontinuity = window.discontinuity,
                .at_rest = window.at_rest,
                .settings = settings};
  for (size_t frame = 0; frame < window.frames->count(); ++frame) {
    read.times.push_back(window.frames->time_ns(frame));
    const auto view = window.frames->readable(frame);
    if (!view) continue;
    read.places.push_back(view->planes[0].data);
    const auto picture = work.hash(*view);
    read.pictures.push_back(picture ? *picture : 0);
  }
  return read;
}

std::optional<Failure> Preparation::prepare(const Window& window, const RenderSettings& settings,
                                            const Behaviour& behaviour,
                                            const std::stop_token& stop) {
  if (busy_.exchange(true)) violation("two windows were prepared at once");
  const auto end = [this](bool cancelled) {
    busy_ = false;
    const std::lock_guard lock(control().mutex);
    ++control().prepares_ended;
    control().changed.notify_all();
    return cancelled ? std::optional(Failure{ErrorCode::kCancelled, "It was stopped.", {}})
                     : std::nullopt;
  };
  {
    const std::lock_guard lock(mutex_);
    prepared_.reset();
  }
  if (window.frames == nullptr) {
    busy_ = false;
    return Failure{ErrorCode::kInvalidArgument, "A window without frames was prepared.", {}};
  }
  {
    const std::lock_guard lock(control().mutex);
    ++control().prepares_begun;
    control().changed.notify_all();
  }
  auto prepared = read(window, settings);
  for (auto left = behaviour.prepare_delay; left.count() > 0 && !stop.stop_requested();) {
    const auto nap = std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(1));
    std::this_thread::sleep_for(nap);
    left -= nap;
  }
  if (!wait_while(control().prepares_held, stop) || stop.stop_requested()) return end(true);
  {
    const std::lock_guard lock(mutex_);
    prepared_ = std::move(prepared);
  }
  return end(false);
}

bool Preparation::take(const Window& window, const RenderSettings& settings) {
  const std::lock_guard lock(mutex_);
  const auto prepared = std::exchange(prepared_, std::nullopt);
  if (!prepared) return false;
  auto rendered = read(window, settings);
  const auto pictures = std::exchange(rendered.pictures, prepared->pictures);
  if (!(rendered == *prepared)) return false;
  if (pictures != prepared->pictures) violation("a window was prepared from other pictures");
  return true;
}

}  // namespace latentsync::fake
