#include "gst/debug.h"
#include "gst/guard.h"
#include "gst/latentsync_private.h"
#include "gst/timeline.h"

#include <algorithm>
#include <chrono>
#include <utility>

/// Windows: when they are ready, what they are made from, and what leaves.
namespace latentsync {
namespace {

/// The audio of the oldest window, if it is known; AS_IT_IS: what there is of it.
bool add_audio(Element& element, bool as_it_is, const std::vector<int64_t>& times, Job& job) {
  State& state = element.state;
  if (state.context == AudioContext::kWhole) {
    if (state.whole_audio_given) return true;
    if (!state.audio.finished()) return false;
    job.audio = state.audio.slice(0, std::max<int64_t>(state.audio.end(), 0));
    job.audio_whole = true;
    // The video's part of a flush may still follow: this is its audio, too.
    if (!std::exchange(state.audio_renewed, false)) state.audio.reset();
    state.whole_audio_given = true;
    return true;
  }
  const AudioRange needed = element.worker->needed_audio(times);
  if (!as_it_is) {
    if (!state.audio.covers(needed.end)) return false;
    state.audio_held_back = false;
  }
  job.audio = state.audio.slice(needed.begin, needed.end);
  job.audio_start = needed.begin;
  // Audio that ends before all that is needed may be of video that is still to come.
  if (needed.begin < state.audio.end()) state.audio.trim(needed.begin);
  return true;
}

GstFlowReturn send_frame(GstLatentsync* self, Frame frame) {
  GstAggregator* aggregator = GST_AGGREGATOR(self);
  GstBuffer* buffer = frame.buffer.release();
  gst_aggregator_selected_samples(aggregator, GST_BUFFER_PTS(buffer), GST_BUFFER_DTS(buffer),
                                  GST_BUFFER_DURATION(buffer), nullptr);
  if (GST_BUFFER_PTS_IS_VALID(buffer)) {
    GST_OBJECT_LOCK(self);
    GstSegment& segment = GST_AGGREGATOR_PAD(aggregator->srcpad)->segment;
    segment.position = GST_BUFFER_PTS(buffer);
    if (GST_BUFFER_DURATION_IS_VALID(buffer)) segment.position += GST_BUFFER_DURATION(buffer);
    GST_OBJECT_UNLOCK(self);
  }
  self->element->state.segment_pending = false;
  {
    std::lock_guard lock(self->element->statistics_mutex);
    ++self->element->statistics.frames_out;
  }
  return gst_aggregator_finish_buffer(aggregator, buffer);
}

/// Whether the video has been flushed since it had been FLUSHES times.
bool is_flushed(GstLatentsync* self, uint64_t flushes) {
  std::lock_guard lock(self->element->state.mutex);
  return self->element->state.video_flushes != flushes;
}

}  // namespace

bool submit(GstLatentsync* self, bool as_it_is) {
  Element& element = *self->element;
  State& state = element.state;
  if (!element.worker->idle()) return false;
  Job job;
  job.settings = render_settings(element.snapshot(), state.seed);
  {
    std::lock_guard lock(state.mutex);
    const FrameGroup* group = state.frames.complete();
    if (!group || !add_audio(element, as_it_is, group->times(), job)) return false;
    job.group = *state.frames.take();
    job.index = state.windows++;
    job.flushes = state.video_flushes;
    state.in_flight_ns = job.group.frame(0).running_ns;
    if (state.live) {
      state.spare = job.spare = std::make_shared<SpareBuffers>(job.group.share_buffers());
      state.rest = job.group.split();
      state.rest_flushes = state.video_flushes;
    }
    GST_DEBUG_OBJECT(self, "window %" G_GUINT64_FORMAT ": %d frames, %zu samples", job.index,
                     job.group.frames, job.audio.size());
    // Under the lock: a flush that has counted this window cancels it.
    element.worker->submit(std::move(job));
  }
  return true;
}

GstFlowReturn send_group(GstLatentsync* self, FrameGroup group, uint64_t flushes) {
  for (Item& item : group.items) {
    if (is_flushed(self, flushes)) {
      std::lock_guard lock(self->element->state.mutex);
      self->element->state.frames.keep_sticky_events(std::move(group));
      return GST_FLOW_OK;
    }
    if (auto* event = std::get_if<EventPtr>(&item)) {
      if (*event) send_event(self, std::move(*event));
    } else if (const auto flow = send_frame(self, std::move(std::get<Frame>(item)));
               flow != GST_FLOW_OK) {
      return flow;
    }
    // A sink may take as long for these frames as they last: the next window is made meanwhile.
    absorb(self);
    submit(self, false);
  }
  return GST_FLOW_OK;
}

namespace {

/// As the frames came, because there is no time left for them.
GstFlowReturn pass_late(GstLatentsync* self, FrameGroup group, uint64_t flushes) {
  for (const Item& item : group.items) {
    if (const auto* frame = std::get_if<Frame>(&item)) post_late(self, *frame);
  }
  {
    std::lock_guard lock(self->element->statistics_mutex);
    self->element->statistics.frames_late += group.frames;
    self->element->statistics.frames_passed += group.frames;
  }
  return send_group(self, std::move(group), flushes);
}

GstFlowReturn send_outcome(GstLatentsync* self, Outcome outcome) {
  Element& element = *self->element;
  {
    std::lock_guard lock(element.state.mutex);
    element.state.in_flight_ns.reset();
  }
  Job& job = outcome.job;
  if (std::exchange(element.state.abandoned, false)) return GST_FLOW_OK;
  element.state.spare.reset();
  if (auto rest = std::exchange(element.state.rest, std::nullopt)) {
    rest->set_buffers(job.group.take_buffers());
    job.group = std::move(*rest);
  }
  if (is_flushed(self, job.flushes)) return send_group(self, std::move(job.group), job.flushes);
  if (outcome.result) {
    post_window(self, job, *outcome.result, outcome.seconds);
    if (element.state.failed) return GST_FLOW_ERROR;
    return send_group(self, std::move(job.group), job.flushes);
  }
  const Failure& failure = outcome.result.failure();
  // Only on the way to NULL: a flush has been seen above, and late windows are abandoned.
  if (failure.code == ErrorCode::kCancelled) return GST_FLOW_FLUSHING;
  post_failure(self, failure);
  return GST_FLOW_ERROR;
}

/// Sends what is ready. False where nothing was.
bool deliver(GstLatentsync* self, GstFlowReturn* flow) {
  if (auto outcome = self->element->worker->take()) {
    *flow = send_outcome(self, std::move(*outcome));
    return true;
  }
  return send_waiting_events(self);
}

/// Audio that has no end before the first frame is due would be kept for ever.
void end_wait_for_whole_audio(GstLatentsync* self) {
  State& state = self->element->state;
  {
    std::lock_guard lock(state.mutex);
    if (state.context != AudioContext::kWhole || state.whole_audio_given ||
        state.audio.finished()) {
      return;
    }
  }
  give_up_whole_audio(self,
                      "The whole audio was asked for, but it has not ended while the first frame "
                      "is due in this live graph: going on with audio-context=sliding. Set that "
                      "where the audio is live.");
}

/// The time of the window that is due next has come. What is being made is given up, what was not
/// begun leaves as it is.
GstFlowReturn meet_deadline(GstLatentsync* self) {
  Element& element = *self->element;
  State& state = element.state;
  end_wait_for_whole_audio(self);
  std::optional<FrameGroup> late;
  uint64_t flushes;
  if (state.rest) {
    std::vector<BufferPtr> buffers = state.spare->abandon();
    if (buffers.empty()) {
      // Its pixels are being written.
      element.worker->wait();
      return GST_FLOW_OK;
    }
    element.worker->cancel_job();
    state.abandoned = true;
    late = std::exchange(state.rest, std::nullopt);
    late->set_buffers(std::move(buffers));
    flushes = state.rest_flushes;
    std::lock_guard lock(state.mutex);
    state.in_flight_ns.reset();
  } else {
    {
      std::lock_guard lock(state.mutex);
      if (!state.frames.complete()) state.frames.close();
    }
    if (submit(self, true)) return GST_FLOW_OK;
    std::lock_guard lock(state.mutex);
    late = state.frames.take();
    flushes = state.video_flushes;
  }
  return late ? pass_late(self, std::move(*late), flushes) : GST_FLOW_OK;
}

bool is_over(GstLatentsync* self, const PadsState& pads) {
  std::lock_guard lock(self->element->state.mutex);
  const State& state = self->element->state;
  return pads.video_ended && pads.video_flushes == state.video_flushes && state.frames.empty() &&
         !state.in_flight_ns;
}

void note_ends(GstLatentsync* self, const PadsState& pads) {
  State& state = self->element->state;
  std::lock_guard lock(state.mutex);
  if (pads.video_ended && pads.video_flushes == state.video_flushes) state.frames.close();
  if (pads.audio_ended && pads.audio_flushes == state.audio_flushes) state.audio.finish();
}

/// Whether a live graph's clock has passed what is due next. The base class does not look at it any
/// more when nothing can come to its pads.
bool is_due(GstLatentsync* self) {
  const GstClockTime latency = gst_aggregator_get_latency(GST_AGGREGATOR(self));
  const GstClockTime next = next_time(GST_AGGREGATOR(self));
  const GstClockTime now = gst_element_get_current_running_time(GST_ELEMENT(self));
  return GST_CLOCK_TIME_IS_VALID(latency) && GST_CLOCK_TIME_IS_VALID(next) &&
         GST_CLOCK_TIME_IS_VALID(now) && now >= next + latency;
}

/// True where a deadline has come first.
bool wait_for_worker(GstLatentsync* self) {
  Worker& worker = *self->element->worker;
  if (!self->element->state.live) {
    worker.wait();
    return false;
  }
  while (worker.busy() && !worker.interrupted()) {
    if (is_due(self)) return true;
    worker.wait(std::chrono::milliseconds(10));
  }
  return false;
}

/// An error goes with an EOS downstream, and that with a segment, which may not come before caps.
GstFlowReturn failed_flow(GstLatentsync* self) {
  return self->element->state.caps_sent ? GST_FLOW_ERROR : GST_FLOW_FLUSHING;
}

/// Nothing can be done before more comes. While the base class has a buffer of each pad, or takes
/// one that flushes to be at its end, it would call again at once.
GstFlowReturn need_data(GstLatentsync* self, const PadsState& pads) {
  const bool video_ready = pads.video_there || pads.video_ended || pads.video_flushing;
  const bool audio_ready = pads.audio_there || pads.audio_ended || pads.audio_flushing;
  if (video_ready && audio_ready) self->element->worker->pause(std::chrono::milliseconds(10));
  return GST_AGGREGATOR_FLOW_NEED_DATA;
}

/// All that can be done with what is there.
GstFlowReturn go_on(GstLatentsync* self, bool timeout) {
  Element& element = *self->element;
  GstFlowReturn flow = GST_FLOW_OK;
  element.state.live = GST_CLOCK_TIME_IS_VALID(gst_aggregator_get_latency(GST_AGGREGATOR(self)));
  for (bool due = timeout;;) {
    if (element.state.failed) return failed_flow(self);
    bool progress = absorb(self);
    const PadsState pads = look_at_pads(self);
    note_ends(self, pads);
    progress = deliver(self, &flow) || progress;
    if (flow != GST_FLOW_OK) return flow;
    progress = submit(self, false) || progress;
    if (progress || pads.arrived()) {
      due = false;
      continue;
    }
    if (due) return meet_deadline(self);
    if (is_over(self, pads)) {
      // After an EOS the base class would refuse what the audio brings until it flushes again.
      if (!waits_for_flush(self, pads)) return GST_FLOW_EOS;
      look_behind_events(self, pads);
      return need_data(self, pads);
    }
    if (watch_pads(self, pads, &flow)) {
      if (flow != GST_FLOW_OK) return flow;
      continue;
    }
    look_behind_events(self, pads);
    if (pads.open()) return need_data(self, pads);
    // All that was wanted is here: only the worker can bring more. Returning would only have the
    // base class call again at once.
    if (!element.worker->busy()) return GST_AGGREGATOR_FLOW_NEED_DATA;
    due = wait_for_worker(self);
    if (element.worker->interrupted()) return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
}

}  // namespace

bool send_waiting_events(GstLatentsync* self) {
  State& state = self->element->state;
  std::vector<EventPtr> events;
  {
    std::lock_guard lock(state.mutex);
    if (!state.in_flight_ns) events = state.frames.take_leading_events();
  }
  for (EventPtr& event : events) send_event(self, std::move(event));
  return !events.empty();
}

GstClockTime window_duration(const State& state) {
  const GstVideoInfo* info = state.format.get();
  const bool known = info && info->fps_n > 0 && info->fps_d > 0;
  return gst_util_uint64_scale(GST_SECOND * state.window_frames, known ? info->fps_d : 1,
                               known ? info->fps_n : 25);
}

static GstFlowReturn make_progress(GstAggregator* aggregator, gboolean timeout) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  try {
    return go_on(self, timeout);
  } catch (...) {
    post_exception(self);
    return failed_flow(self);
  }
}

GstFlowReturn aggregate(GstAggregator* aggregator, gboolean timeout) {
  const GstFlowReturn flow = make_progress(aggregator, timeout);
  // The base class sends EOS then, and is over with it until both pads flush.
  const bool ends = flow == GST_FLOW_EOS || flow == GST_FLOW_ERROR;
  if (ends) GST_LATENTSYNC(aggregator)->element->state.ended = true;
  return flow;
}

GstClockTime next_time(GstAggregator* aggregator) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  State& state = self->element->state;
  const bool idle = self->element->worker->idle();
  std::lock_guard lock(state.mutex);
  if (state.in_flight_ns) return std::max<int64_t>(*state.in_flight_ns, 0);
  const Frame* oldest = state.frames.oldest();
  if (!oldest) return GST_CLOCK_TIME_NONE;
  // Time is left to make the window in, as much as it lasts; as soon as somebody can.
  const auto lead = idle ? static_cast<int64_t>(window_duration(state)) : 0;
  return std::max<int64_t>(oldest->running_ns - lead, 0);
}

}  // namespace latentsync
