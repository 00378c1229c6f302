#include "gst/debug.h"
#include "gst/output/source.h"

#include <utility>

/// late-policy: what is chosen for a window before it is begun, what is measured of it, and what is
/// posted about that. How it is chosen: late_control.h.
namespace latentsync {

LateControl::Window Source::late_window(const Settings& settings) const {
  const FrameGroup& group = *input_.video.complete();
  LateControl::Window window;
  window.policy = settings.late_policy;
  window.wanted_steps = settings.inference_steps;
  if (window.wanted_steps == 0) {
    window.wanted_steps = options_.worker->model()->info().inference_steps;
  }
  window.full_ns = static_cast<int64_t>(input_.video.window_duration());
  window.frame_ns = static_cast<int64_t>(input_.video.frame_duration());
  window.part = static_cast<double>(group.frames) / input_.video.window_frames();
  if (GstClock* clock = timing_.clock()) {
    window.left_ns =
        GST_CLOCK_DIFF(gst_clock_get_time(clock), timing_.due(group.frame(0).running_ns));
  }
  return window;
}

/// With how many steps the window that is ready is rendered; none where it is passed.
std::optional<int64_t> Source::choose_steps(Lock& lock, const Settings& settings,
                                            const LateControl::Window& window) {
  if (!timing_.clock()) return window.wanted_steps;
  const LateControl::Choice choice = late_.choose(window);
  const Frame& first = input_.video.complete()->frame(0);
  const QualityChange change{
      .running_ns = first.running_ns,
      .stream_ns = first.stream_ns,
      .pts = GST_BUFFER_PTS(first.buffer.get()),
      .duration_ns = static_cast<int64_t>(static_cast<double>(window.full_ns) * window.part),
      .jitter_ns = choice.wanted_ns - window.left_ns,
      .proportion = static_cast<double>(choice.wanted_ns) / static_cast<double>(window.full_ns),
      .quality = static_cast<int>(kFullQuality * choice.steps / window.wanted_steps)};
  if (choice.steps == 0) {
    GST_DEBUG_OBJECT(element_,
                     "a window is not begun: it would take %" G_GINT64_FORMAT
                     " of %" G_GINT64_FORMAT " ns",
                     choice.wanted_ns, choice.there_is_ns);
    // Where it came too late, it is not the engine that is too slow.
    const bool late = window.left_ns <= 0;
    leave(input_.video.take(), late);
    if (late) return std::nullopt;
  }
  const auto steps = choice.steps > 0 ? std::optional(choice.steps) : std::nullopt;
  if (std::exchange(quality_, change.quality) == change.quality) return steps;
  GST_DEBUG_OBJECT(element_, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " steps from now on",
                   choice.steps, window.wanted_steps);
  Unlocked unlocked(lock);
  reporter_.post_quality(change);
  if (change.quality < kFullQuality) {
    reporter_.warn_too_slow(choice.wanted_ns, choice.there_is_ns, settings.late_policy);
  }
  return steps;
}

void Source::measure(Lock& lock, const Flight& flight, const Outcome& outcome) {
  if (!GST_CLOCK_TIME_IS_VALID(flight.begun) || outcome.result->cached) return;
  const StageSeconds& stages = outcome.result->seconds;
  const double sum =
      stages.face + stages.audio + stages.encode + stages.denoise + stages.decode + stages.paste;
  LateControl::Measure measure{flight.steps, static_cast<int64_t>(outcome.took_ns)};
  if (sum > 0) measure.step_share = stages.denoise / sum;
  late_.rendered(flight.window, measure, flight.in_time);
  const bool grows = update_latency();
  const bool too_slow = measure.took_ns > flight.window.full_ns;
  if (!grows && !too_slow) return;
  Unlocked unlocked(lock);
  if (grows) {
    GST_DEBUG_OBJECT(element_, "rendering takes longer: the latency grows");
    gst_element_post_message(element_, gst_message_new_latency(GST_OBJECT(element_)));
  }
  if (too_slow) {
    reporter_.warn_too_slow(measure.took_ns, flight.window.full_ns, flight.window.policy);
  }
}

}  // namespace latentsync
