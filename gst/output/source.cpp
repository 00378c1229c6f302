#include "gst/output/source.h"

#include "gst/debug.h"
#include "gst/input/timeline.h"

#include <algorithm>
#include <iterator>
#include <utility>

/// The turns of the task, and how a window is begun and ends.
namespace latentsync {

void Source::start(Options options) {
  options_ = std::move(options);
  context_ = options_.context;
  late_policy_ = options_.late_policy;
  late_.start(options_.render_latency);
  retry_.succeeded();
  quality_ = kFullQuality;
  leaving_.clear();
  flight_.reset();
  held_ = 0;
  left_.reset();
  windows_ = 0;
  flow_ = GST_FLOW_OK;
  stopping_ = seeking_ = draining_ = ended_ = reopen_ = starving_ = false;
  left_out_ = false;
  faded_ = kFadeFrames;
  patience_.reset();
  end_due_.reset();
  cache_due_.reset();
  kept_windows_ = 0;
}

void Source::stop() {
  stopping_ = true;
  monitor_->notify();
}

void Source::reset() {
  flush();
  alarm_.clear();
  timing_ = {};
  options_ = {};
}

void Source::flush() {
  ++epoch_;
  std::vector<Item> items;
  int dropped = flight_ ? flight_->group.frames : 0;
  for (Leaving& leaving : leaving_) {
    dropped += std::holds_alternative<Frame>(leaving.item);
    items.push_back(std::move(leaving.item));
  }
  if (flight_) {
    if (options_.worker) options_.worker->cancel_job();
    std::move(flight_->group.items.begin(), flight_->group.items.end(), std::back_inserter(items));
  }
  GST_DEBUG_OBJECT(element_, "flush: %d frames are dropped on their way out", dropped);
  leaving_.clear();
  flight_.reset();
  held_ = 0;
  left_.reset();
  patience_.reset();
  end_due_.reset();
  cache_due_.reset();
  input_.video.keep_sticky_events(std::move(items));
  reporter_.count_dropped(dropped);
  monitor_->notify();
}

void Source::resume() {
  flow_ = GST_FLOW_OK;
  ended_ = false;
  monitor_->notify();
}

void Source::relinked() {
  if (flow_ != GST_FLOW_NOT_LINKED) return;
  flow_ = GST_FLOW_OK;
  monitor_->notify();
}

void Source::set_seeking(bool on) {
  seeking_ = on;
  monitor_->notify();
}

void Source::drain(Lock& lock) {
  input_.video.close();
  draining_ = true;
  monitor_->notify();
  monitor_->wait_for(lock, [this] {
    return stopping_ || input_.video.flushing() || flow_ != GST_FLOW_OK || reporter_.failed() ||
           (held_ == 0 && input_.video.frames() == 0);
  });
  draining_ = false;
}

void Source::let_events_out(Lock& lock) {
  const auto waits = [this] {
    return held_ == 0 && input_.video.frames() == 0 &&
           (sending_ || !leaving_.empty() || !input_.video.empty());
  };
  monitor_->wait_for(lock, [&] {
    return stopping_ || input_.video.flushing() || flow_ != GST_FLOW_OK || reporter_.failed() ||
           ended_ || !waits();
  });
}

void Source::turn() {
  Lock lock(monitor_->mutex);
  const uint64_t seen = monitor_->changes();
  timing_.set_base(gst_element_get_base_time(element_));
  if (stopping_ || input_.video.flushing()) {
    // Whoever flushes or stops waits for the end of this turn and starts the task again.
    Unlocked unlocked(lock);
    gst_pad_pause_task(pads_.src);
    return;
  }
  if (reporter_.failed()) {
    end_after_failure(lock);
    return;
  }
  if (flow_ == GST_FLOW_OK) {
    begin_window(lock, false);
    // A downstream that takes its time does not keep the next window from being begun.
    if (take_outcome(lock) || send_next(lock) || take_event() || meet_deadline(lock) ||
        watch(lock) || prepare_next(lock)) {
      return;
    }
  }
  wait(lock, seen);
}

bool Source::update_latency() {
  const GstClockTime window = input_.video.window_duration();
  const auto render = static_cast<GstClockTime>(late_.reserve(static_cast<int64_t>(window)));
  return timing_.set_own(window + input_.video.lookahead_ns() + render);
}

int Source::most_held() const {
  if (!timing_.live()) return input_.video.most_held(0);
  const auto window = static_cast<int64_t>(input_.video.window_duration());
  int64_t render = late_.reserve(window);
  // A window that takes longer than it lasts does not block the sources at once.
  if (late_policy_ == LatePolicy::kWait) render = std::max(render, 2 * window);
  return input_.video.most_held(static_cast<GstClockTime>(render));
}

void Source::wait(Lock& lock, uint64_t seen) {
  if (monitor_->changes() != seen) return;
  GST_LOG_OBJECT(element_, "waiting, with %" G_GUINT64_FORMAT " arrivals", input_.arrivals);
  if (const auto deadline = next_deadline()) {
    if (!alarm_.set(timing_.clock(), *deadline)) return;
    GST_LOG_OBJECT(element_, "waiting until %" GST_TIME_FORMAT, GST_TIME_ARGS(*deadline));
  } else {
    alarm_.clear();
  }
  const auto time =
      patience_ && end_due_ ? std::min(patience_, end_due_) : (patience_ ? patience_ : end_due_);
  if (time) {
    monitor_->wait_until(lock, seen, *time);
  } else {
    monitor_->wait(lock, seen);
  }
}

bool Source::take_event() {
  if (flight_ || !leaving_.empty()) return false;
  EventPtr event = input_.video.take_leading_event();
  if (!event) return false;
  leaving_.push_back({std::move(event)});
  return true;
}

/// The next window, if it is complete and it is known where its sound is.
FrameGroup* Source::placed_window() {
  FrameGroup* group = input_.video.complete();
  if (!group || input_.audio.awaits_segment(group->frame(0).segment_ns)) return nullptr;
  for (Item& item : group->items) {
    if (auto* frame = std::get_if<Frame>(&item)) {
      frame->timeline_ns = input_.audio.place(frame->running_ns);
    }
  }
  return group;
}

bool Source::is_ready(bool as_it_is) {
  if (flight_ || seeking_ || !options_.worker->idle()) return false;
  if (std::exchange(reopen_, false)) {
    options_.worker->reopen(context_);
    late_.skip_next();
    return false;
  }
  FrameGroup* group = placed_window();
  if (!group) return false;
  if (context_ == AudioContext::kWhole) return input_.audio.known() || input_.audio.ended();
  return as_it_is || input_.audio.covers(options_.worker->needed_audio(group->times()).end);
}

bool Source::begin_window(Lock& lock, bool as_it_is) {
  as_it_is = as_it_is || draining_;
  if (FrameGroup* group = input_.video.complete(); group && group->reverse && !flight_) {
    leave(input_.video.take(), false);
    return true;
  }
  if (!is_ready(as_it_is)) return false;
  const int64_t time = input_.video.complete()->frame(0).stream_ns;
  const uint64_t epoch = epoch_;
  Settings settings;
  {
    Unlocked unlocked(lock);
    settings = options_.settings(static_cast<GstClockTime>(std::max<int64_t>(time, 0)));
  }
  // Anything may have been flushed meanwhile.
  if (stopping_ || epoch != epoch_ || !is_ready(as_it_is)) return false;
  late_policy_ = settings.late_policy;
  const LateControl::Window window = late_window(settings);
  const auto steps = choose_steps(lock, settings, window);
  if (epoch != epoch_ || !steps) return true;
  submit(settings, window, *steps);
  return true;
}

void Source::submit(const Settings& settings, const LateControl::Window& window, int64_t steps) {
  Job job;
  job.index = windows_++;
  job.settings = render_settings(settings, options_.seed);
  if (steps != window.wanted_steps) job.settings.inference_steps = steps;
  job.context = context_;
  job.group = input_.video.take();
  job.deadline_ns = steady_deadline(job.group);
  if (context_ == AudioContext::kWhole) {
    if (!input_.audio.known()) {
      job.new_session = true;
      job.audio = input_.audio.take_whole();
    }
  } else {
    const AudioRange needed = options_.worker->needed_audio(job.group.times());
    if (input_.audio.covers(needed.end)) starving_ = false;
    job.audio = input_.audio.slice(needed.begin, needed.end);
    job.audio_start = needed.begin;
    input_.audio.trim(needed.begin);
  }
  const bool any = apply_silence(settings, job);
  if (std::exchange(left_out_, false)) job.group.discontinuity = true;
  if (!any && !job.new_session) {
    GST_DEBUG_OBJECT(element_, "a window is silent: its frames pass");
    left_out_ = true;
    leave(std::move(job.group), false);
    return;
  }
  const bool fades_out = apply_fade_out(window, steps, job);
  job.spare = std::make_shared<SpareBuffers>(job.group.share_buffers(), faded_);
  held_ += job.group.frames;
  GST_DEBUG_OBJECT(element_,
                   "window %" G_GUINT64_FORMAT
                   " begins: %d frames from running time %" GST_STIME_FORMAT
                   ", %zu samples from %" G_GINT64_FORMAT "%s",
                   job.index, job.group.frames, GST_STIME_ARGS(job.group.frame(0).running_ns),
                   job.audio.size(), job.audio_start, job.new_session ? ", new session" : "");
  flight_ = Flight{
      job.index, job.group.split(), job.spare, settings.no_face, settings.no_fallback, window,
      steps,     fades_out};
  if (GstClock* clock = timing_.clock()) {
    job.clock.reset(GST_CLOCK(gst_object_ref(clock)));
    flight_->begun = gst_clock_get_time(clock);
  }
  options_.worker->submit(std::move(job));
  monitor_->notify();
}

bool Source::take_outcome(Lock& lock) {
  // After an error nothing is pushed any more: the frames of the windows before leave first.
  const bool may_end = flight_ && flight_->no_face == NoFace::kError;
  if (!leaving_.empty() && (may_end || options_.worker->has_failed())) return false;
  auto outcome = options_.worker->take();
  if (!outcome) return false;
  if (!flight_ || flight_->index != outcome->job.index) {
    GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " is of no use any more",
                     outcome->job.index);
    return true;
  }
  flight_->spare.reset();
  if (post_outcome(lock, *outcome)) land(lock, std::move(*outcome));
  return true;
}

/// False where the window's frames do not leave: the element has failed, or they were flushed.
bool Source::post_outcome(Lock& lock, const Outcome& outcome) {
  const uint64_t epoch = epoch_;
  const NoFace no_face = flight_->no_face;
  const bool tolerated = tolerates(outcome);
  {
    Unlocked unlocked(lock);
    if (outcome.result) {
      reporter_.post_window(outcome, no_face);
    } else if (!tolerated && outcome.result.failure().code != ErrorCode::kCancelled) {
      reporter_.post_failure(outcome.result.failure());
    }
  }
  return epoch == epoch_ && !reporter_.failed() && (outcome.result || tolerated);
}

/// The window's frames leave, and what it took is measured.
void Source::land(Lock& lock, Outcome outcome) {
  Flight flight = std::move(*flight_);
  flight_.reset();
  const auto duration = static_cast<double>(input_.video.window_duration());
  proportion_ = outcome.seconds * 1e9 / duration;
  GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT " is %s in %.3f s", flight.index,
                   outcome.result ? "rendered" : "given back", outcome.seconds);
  flight.in_time = flight.in_time && !is_late(flight.group.frame(0));
  // The next frame is as far into the edit as the one before the last of a fade.
  faded_ = flight.fades_out ? 1 : outcome.job.spare->faded_after();
  flight.group.set_frames(std::move(outcome.job.group));
  held_ -= flight.group.frames;
  const QualityChange passes = quality_change(flight.group.frame(0), flight.window, 0, 0);
  leave(std::move(flight.group), false);
  if (outcome.result) {
    retry_.succeeded();
    measure(lock, flight, outcome);
  } else {
    rest_after(lock, outcome, passes);
  }
}

void Source::leave(FrameGroup group, bool late) { leave(std::move(group.items), late); }

/// LATE: they were given up. Others are late where the clock says so.
void Source::leave(std::vector<Item> items, bool late) {
  for (Item& item : items) {
    const auto* frame = std::get_if<Frame>(&item);
    if (frame) ++held_;
    const bool behind = late || (frame && is_late(*frame));
    leaving_.push_back({std::move(item), behind});
  }
  monitor_->notify();
}

}  // namespace latentsync
