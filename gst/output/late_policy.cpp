#include "gst/debug.h"
#include "gst/output/source.h"

#include <algorithm>
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

/// From the window with this first frame on, which would take TAKES_NS with the wanted steps.
QualityChange Source::quality_change(const Frame& first, const LateControl::Window& window,
                                     int64_t takes_ns, int64_t steps) const {
  const auto full = static_cast<double>(window.full_ns);
  return {.running_ns = first.running_ns,
          .stream_ns = first.stream_ns,
          .pts = GST_BUFFER_PTS(first.buffer.get()),
          .duration_ns = static_cast<int64_t>(full * window.part),
          .jitter_ns = takes_ns - window.left_ns,
          .proportion = static_cast<double>(takes_ns) / full,
          .quality = static_cast<int>(kFullQuality * steps / window.wanted_steps)};
}

/// With how many steps the window that is ready is rendered; none where it is passed.
std::optional<int64_t> Source::choose_steps(Lock& lock, const Settings& settings,
                                            const LateControl::Window& window) {
  if (!timing_.clock()) return window.wanted_steps;
  const bool rests = retry_.holds(static_cast<int64_t>(gst_clock_get_time(timing_.clock())));
  const LateControl::Choice choice = rests ? LateControl::Choice{} : late_.choose(window);
  const QualityChange change =
      quality_change(input_.video.complete()->frame(0), window, choice.wanted_ns, choice.steps);
  if (choice.steps == 0) {
    GST_DEBUG_OBJECT(element_,
                     "a window is not begun: it would take %" G_GINT64_FORMAT
                     " of %" G_GINT64_FORMAT " ns",
                     choice.wanted_ns, choice.there_is_ns);
    // Where it came too late, it is not the engine that is too slow.
    const bool late = window.left_ns <= 0;
    faded_ = 0;
    leave(input_.video.take(), late);
    if (late) return std::nullopt;
  }
  const auto steps = choice.steps > 0 ? std::optional(choice.steps) : std::nullopt;
  if (std::exchange(quality_, change.quality) == change.quality) return steps;
  GST_DEBUG_OBJECT(element_, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " steps from now on",
                   choice.steps, window.wanted_steps);
  Unlocked unlocked(lock);
  reporter_.post_quality(change);
  if (change.quality < kFullQuality && !rests) {
    reporter_.warn_too_slow(choice.wanted_ns, choice.there_is_ns, settings.late_policy);
  }
  return steps;
}

/// The edit fades out before frames that cannot be edited in time, as far as what windows took lets
/// them be foreseen; whether it does. How it fades in: SpareBuffers.
bool Source::apply_fade_out(const LateControl::Window& window, int64_t steps, Job& job) const {
  if (!timing_.clock() || late_policy_ == LatePolicy::kWait) return false;
  const int64_t takes = late_.predict(steps, window.part);
  LateControl::Window next = window;
  next.part = 1;
  next.left_ns = window.left_ns + window.full_ns - takes;
  LateControl ahead = late_;
  const LateControl::Choice choice = ahead.choose(next);
  if (choice.steps > 0 && late_.predict(choice.steps, 1) <= next.left_ns) return false;
  job.weights.resize(static_cast<size_t>(job.group.frames), 1);
  const size_t count = job.weights.size();
  for (size_t i = 0; i < std::min<size_t>(kFadeFrames, count); ++i) {
    float& weight = job.weights[count - 1 - i];
    weight = std::min(weight, fade_weight(i));
  }
  return true;
}

/// Whether the frames of a window that could not be rendered pass, and it is tried again: live
/// graphs go on.
bool Source::tolerates(const Outcome& outcome) const {
  return !outcome.result && outcome.result.failure().code != ErrorCode::kCancelled &&
         outcome.can_go_on && timing_.live() && !flight_->no_fallback;
}

/// A window that could not be rendered passes, and nothing is rendered for a while.
void Source::rest_after(Lock& lock, const Outcome& outcome, const QualityChange& passes) {
  GstClock* clock = timing_.clock();
  retry_.failed(clock ? std::optional(static_cast<int64_t>(gst_clock_get_time(clock)))
                      : std::nullopt);
  GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " failed and passes: %s",
                   outcome.job.index, outcome.result.failure().message.c_str());
  faded_ = 0;
  const bool changes = std::exchange(quality_, passes.quality) != passes.quality;
  const Unlocked unlocked(lock);
  reporter_.warn_failure(outcome.result.failure());
  if (changes) reporter_.post_quality(passes);
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
