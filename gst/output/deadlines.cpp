#include "gst/debug.h"
#include "gst/output/source.h"

#include <utility>

/// Live: what is not ready when its time has come is output as it came.
namespace latentsync {

std::optional<GstClockTime> Source::next_deadline() const {
  if (!timing_.clock() || seeking_ || flow_ != GST_FLOW_OK) return std::nullopt;
  const bool waits = late_policy_ == LatePolicy::kWait;
  if (flight_) {
    if (flight_->late || waits) return std::nullopt;
    return timing_.due(flight_->group.frame(0).running_ns);
  }
  const auto oldest = input_.video.oldest_ns();
  if (!oldest) return std::nullopt;
  // The time that is reserved for rendering the window is left; as soon as somebody can.
  const bool idle = options_.worker->idle();
  if (!idle && waits) return std::nullopt;
  const auto window = static_cast<int64_t>(input_.video.window_duration());
  return timing_.due(*oldest - (idle ? late_.reserve(window) : 0));
}

bool Source::is_late(const Frame& frame) const {
  GstClock* clock = timing_.clock();
  return clock && gst_clock_get_time(clock) > timing_.due(frame.running_ns);
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

/// The first frame that the window in flight still has leaves as it came. What is left of the
/// window may be ready in time.
void Source::pass_due_frame(GstClockTime now) {
  Flight& flight = *flight_;
  BufferPtr buffer = flight.spare->take();
  flight.in_time = false;
  if (!buffer) {
    GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " is late, in its last stage",
                     flight.index);
    flight.late = true;
    return;
  }
  flight.group.frame(0).buffer = std::move(buffer);
  --held_;
  leave(flight.group.take_first(), true);
  if (flight.group.frames > 0) return;
  GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " is late: its frames passed unedited",
                   flight.index);
  options_.worker->cancel_job();
  faded_ = 0;
  leave(std::move(flight.group), true);
  if (GST_CLOCK_TIME_IS_VALID(flight.begun) && now > flight.begun) {
    late_.given_up(flight.window, flight.steps, static_cast<int64_t>(now - flight.begun));
  }
  flight_.reset();
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
    pass_due_frame(gst_clock_get_time(timing_.clock()));
    return true;
  }
  if (!input_.video.complete()) {
    GST_DEBUG_OBJECT(element_, "a window is cut short: its first frame is due");
    input_.video.close();
  }
  const uint64_t epoch = epoch_;
  if (begin_window(lock, true) || epoch != epoch_ || !input_.video.complete()) return true;
  GST_DEBUG_OBJECT(element_, "a window could not be begun in time: its frames pass unedited");
  faded_ = 0;
  leave(input_.video.take(), true);
  return true;
}

}  // namespace latentsync
