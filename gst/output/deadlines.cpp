#include "gst/debug.h"
#include "gst/output/source.h"

#include <utility>

/// Live: what is not ready when its time has come is output as it came.
namespace latentsync {

std::optional<GstClockTime> Source::next_deadline() const {
  if (!timing_.clock() || seeking_ || flow_ != GST_FLOW_OK) return std::nullopt;
  if (flight_) {
    if (flight_->late) return std::nullopt;
    return timing_.due(flight_->group.frame(0).running_ns);
  }
  const auto oldest = input_.video.oldest_ns();
  if (!oldest) return std::nullopt;
  // Time is left to render the window in, as much as it lasts; as soon as somebody can.
  const bool idle = options_.worker->idle();
  return timing_.due(*oldest - (idle ? static_cast<int64_t>(input_.video.window_duration()) : 0));
}

/// When the window's first frame has to leave, on std::chrono::steady_clock.
std::optional<int64_t> Source::steady_deadline(const FrameGroup& group) const {
  GstClock* clock = timing_.clock();
  if (!clock) return std::nullopt;
  const auto left =
      GST_CLOCK_DIFF(gst_clock_get_time(clock), timing_.due(group.frame(0).running_ns));
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() + left;
}

bool Source::meet_deadline(Lock& lock) {
  const auto deadline = next_deadline();
  if (!deadline || gst_clock_get_time(timing_.clock()) < *deadline) return false;
  if (context_ == AudioContext::kWhole && !input_.audio.known() && !input_.audio.ended()) {
    give_up_whole(lock,
                  "The whole audio was asked for, but it has not ended while the first frame is "
                  "due in this live graph: going on with audio-context=sliding. Set that where the "
                  "audio is live.");
    return true;
  }
  if (flight_) {
    std::vector<BufferPtr> buffers = flight_->spare->abandon();
    if (buffers.empty()) {
      GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " is late, in its last stage",
                       flight_->index);
      flight_->late = true;
      return true;
    }
    GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " is late: its frames pass unedited",
                     flight_->index);
    options_.worker->cancel_job();
    FrameGroup group = std::move(flight_->group);
    flight_.reset();
    group.set_buffers(std::move(buffers));
    held_ -= group.frames;
    leave(std::move(group), true);
    return true;
  }
  if (!input_.video.complete()) {
    GST_DEBUG_OBJECT(element_, "a window is cut short: its first frame is due");
    input_.video.close();
  }
  const uint64_t epoch = epoch_;
  if (begin_window(lock, true) || epoch != epoch_ || !input_.video.complete()) return true;
  GST_DEBUG_OBJECT(element_, "a window could not be begun in time: its frames pass unedited");
  leave(input_.video.take(), true);
  return true;
}

}  // namespace latentsync
