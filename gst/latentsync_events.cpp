#include "gst/debug.h"
#include "gst/latentsync_private.h"
#include "gst/timeline.h"

#include <algorithm>
#include <utility>

/// Events: the video's travel with its frames, the audio's end here.
namespace latentsync {
namespace {

bool is_video(GstLatentsync* self, GstAggregatorPad* pad) { return pad == video_pad(self); }

/// The ACCEPT_CAPS query has refused them already: whoever sends them all the same did not ask.
void post_unreadable_caps(GstLatentsync* self, GstCaps* caps) {
  gchar* text = gst_caps_to_string(caps);
  post_failure(self,
               {ErrorCode::kUnsupported,
                "The caps of a sink pad make no sense. Put videoconvert before video_sink, and "
                "audioconvert and audioresample before audio_sink.",
                text});
  g_free(text);
}

gboolean set_video_caps(GstLatentsync* self, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  auto format = std::make_shared<GstVideoInfo>();
  if (!gst_video_info_from_caps(format.get(), caps)) {
    post_unreadable_caps(self, caps);
    return FALSE;
  }
  State& state = self->element->state;
  {
    std::lock_guard lock(state.mutex);
    // The same again is no news: a bin or a seek may repeat it.
    if (!state.format || !gst_video_info_is_equal(state.format.get(), format.get())) {
      state.format = format;
      state.frames.cut();
      state.frames.set_rate(format->fps_n, format->fps_d);
    }
    state.frames.push(EventPtr(gst_event_ref(event)));
  }
  state.seen_pool = nullptr;
  update_latency(self);
  return TRUE;
}

gboolean set_audio_caps(GstLatentsync* self, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  GstAudioInfo info;
  if (!gst_audio_info_from_caps(&info, caps)) {
    post_unreadable_caps(self, caps);
    return FALSE;
  }
  std::lock_guard lock(self->element->state.mutex);
  self->element->state.audio_is_float = GST_AUDIO_INFO_IS_FLOAT(&info);
  return TRUE;
}

gboolean set_segment(GstLatentsync* self, GstAggregatorPad* pad, GstEvent* event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    post_failure(
        self, {ErrorCode::kUnsupported,
               std::string("A segment in ") + gst_format_get_name(segment->format) + " came to " +
                   GST_PAD_NAME(pad) + ": put a parser or decoder before it that works in time."});
    return FALSE;
  }
  if (segment->rate < 0) {
    post_failure(self, {ErrorCode::kUnsupported,
                        "Reverse playback is not possible: speech has to be heard forwards. Seek "
                        "with a positive rate.",
                        "rate " + std::to_string(segment->rate)});
    return FALSE;
  }
  State& state = self->element->state;
  std::lock_guard lock(state.mutex);
  if (!is_video(self, pad)) {
    state.audio_segment = *segment;
    state.audio_resync = true;
    state.audio.resume();
    return TRUE;
  }
  if (!gst_segment_is_equal(&state.video_segment, segment)) state.frames.cut();
  state.video_segment = *segment;
  state.frames.push(EventPtr(gst_event_ref(event)));
  return TRUE;
}

/// A second flush of the audio by a seek that both pads have followed already: another sink of the
/// pipeline asked for it, whose branch begins at the same source. Under the seek's number the base
/// class would flush downstream once more, and what has left since would be missing.
GstEvent* set_apart(const State& state, GstEvent* event) {
  if (!is_common_flush(state) || gst_event_get_seqnum(event) != state.audio_flush.number) {
    return event;
  }
  event = gst_event_make_writable(event);
  gst_event_set_seqnum(event, gst_util_seqnum_next());
  return event;
}

/// The event for the base class.
GstEvent* begin_flush(GstLatentsync* self, GstAggregatorPad* pad, GstEvent* event) {
  const bool video = is_video(self, pad);
  const auto worker = self->element->share_worker();
  bool both;
  {
    State& state = self->element->state;
    std::lock_guard lock(state.mutex);
    const guint32 came = gst_event_get_seqnum(event);
    if (!video) event = set_apart(state, event);
    const guint32 number = gst_event_get_seqnum(event);
    (video ? state.video_flush : state.audio_flush) = {number, true, number != came};
    if (!video) ++state.audio_flushes;
    if (video) {
      ++state.video_flushes;
      state.video_flush_due.reset();
      state.frames.drop_frames();
      // Under the lock: a window that begins afterwards is not one of those to be dropped.
      if (worker) worker->cancel_job();
    }
    both = is_common_flush(state);
  }
  // The base class joins the source thread when both pads flush for the same reason, at once or one
  // after the other: nothing may hold it up.
  if (worker && both) worker->interrupt(true);
  return event;
}

/// Before the base class lets buffers in again.
void empty_pad(GstLatentsync* self, GstAggregatorPad* pad) {
  State& state = self->element->state;
  std::lock_guard taking(self->element->taking_mutex);
  // The base class keeps a buffer that was looked at, whatever is flushed.
  const BufferPtr kept(gst_latentsync_pad_pop(GST_LATENTSYNC_PAD(pad)));
  std::lock_guard lock(state.mutex);
  if (is_video(self, pad)) {
    // One frame may have been on its way from the pad.
    state.frames.drop_frames();
    state.video_end_ns.reset();
  } else {
    state.audio.reset();
    state.audio_resync = true;
    state.audio_renewed = true;
    state.windows_at_renewal = state.windows;
  }
}

/// After the base class has forgotten that the pad was at its end.
void end_flush(GstLatentsync* self, GstAggregatorPad* pad) {
  const bool video = is_video(self, pad);
  State& state = self->element->state;
  std::lock_guard lock(state.mutex);
  (video ? state.video_flush : state.audio_flush).goes_on = false;
  if (!video && !is_common_flush(state) && !state.audio_flush.apart) {
    state.video_flush_due = std::chrono::steady_clock::now() + kPatience;
  }
}

bool has_length(GstEvent* gap) {
  GstClockTime time, duration;
  gst_event_parse_gap(gap, &time, &duration);
  return GST_CLOCK_TIME_IS_VALID(duration) && duration > 0;
}

/// A GAP that only tells how far the stream is. The base class would make it one of the rest of the
/// segment.
void take_moment(GstLatentsync* self, bool video, EventPtr gap) {
  if (video) {
    State& state = self->element->state;
    GstClockTime time;
    gst_event_parse_gap(gap.get(), &time, nullptr);
    std::lock_guard lock(state.mutex);
    const int64_t place = timeline_time(state.video_segment, time);
    state.video_end_ns = std::max(state.video_end_ns.value_or(place), place);
    state.frames.push(std::move(gap));
  }
  gst_latentsync_wake(self);
}

}  // namespace

gboolean sink_event(GstAggregator* aggregator, GstAggregatorPad* pad, GstEvent* event) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  const bool video = is_video(self, pad);
  gboolean ours = TRUE;
  if (GST_EVENT_IS_SERIALIZED(event) && GST_EVENT_TYPE(event) != GST_EVENT_FLUSH_STOP &&
      gst_latentsync_pad_is_repeated(GST_LATENTSYNC_PAD(pad), event)) {
    gst_event_unref(event);
    return TRUE;
  }
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
      gst_latentsync_pad_set_open(GST_LATENTSYNC_PAD(pad), FALSE);
      return gst_latentsync_base_sink_event(self, pad, begin_flush(self, pad, event));
    case GST_EVENT_FLUSH_STOP: {
      gst_latentsync_pad_set_open(GST_LATENTSYNC_PAD(pad), FALSE);
      empty_pad(self, pad);
      const gboolean result = gst_latentsync_base_sink_event(self, pad, event);
      end_flush(self, pad);
      gst_latentsync_pad_set_open(GST_LATENTSYNC_PAD(pad), TRUE);
      gst_latentsync_wake(self);
      return result;
    }
    case GST_EVENT_CAPS:
      ours = video ? set_video_caps(self, event) : set_audio_caps(self, event);
      gst_event_unref(event);
      // At once where it can be: the ALLOCATION query that follows goes downstream, too.
      if (ours && video) send_waiting_events(self);
      gst_latentsync_wake(self);
      return ours;
    case GST_EVENT_SEGMENT:
      if (!set_segment(self, pad, event)) {
        gst_event_unref(event);
        gst_latentsync_wake(self);
        return FALSE;
      }
      break;
    case GST_EVENT_STREAM_START:
      if (video) {
        std::lock_guard lock(self->element->state.mutex);
        self->element->state.frames.push(EventPtr(gst_event_ref(event)));
      }
      break;
    case GST_EVENT_EOS:
      break;
    case GST_EVENT_GAP:
      if (!has_length(event)) {
        take_moment(self, video, EventPtr(event));
        return TRUE;
      }
      break;
    case GST_EVENT_SEGMENT_DONE: {
      // The end of what was asked for, although not of the stream.
      std::lock_guard lock(self->element->state.mutex);
      if (video) self->element->state.frames.cut();
      if (!video) self->element->state.audio.finish();
    }
      [[fallthrough]];
    default:
      if (!video) {
        const bool done = GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT_DONE;
        gst_event_unref(event);
        if (done) gst_latentsync_wake(self);
        return TRUE;
      }
      if (!GST_EVENT_IS_SERIALIZED(event)) return gst_latentsync_base_sink_event(self, pad, event);
      {
        std::lock_guard lock(self->element->state.mutex);
        self->element->state.frames.push(EventPtr(event));
      }
      gst_latentsync_wake(self);
      return TRUE;
  }
  const gboolean result = gst_latentsync_base_sink_event(self, pad, event);
  gst_latentsync_wake(self);
  return result;
}

gboolean src_event(GstAggregator* aggregator, GstEvent* event) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEEK:
      return seek(aggregator, event);
    case GST_EVENT_QOS:
    case GST_EVENT_NAVIGATION:
      // They speak of pictures.
      return gst_pad_push_event(GST_PAD(self->video), event);
    case GST_EVENT_RECONFIGURE:
      // Whoever comes next downstream may want other caps, or has another pool.
      return gst_pad_push_event(GST_PAD(self->video), event);
    default:
      return base_class()->src_event(aggregator, event);
  }
}

void send_event(GstLatentsync* self, EventPtr event) {
  GstAggregator* aggregator = GST_AGGREGATOR(self);
  State& state = self->element->state;
  switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_STREAM_START: {
      const bool first = !state.stream_start_sent;
      {
        std::lock_guard lock(state.mutex);
        state.stream_start.reset(gst_event_ref(event.get()));
      }
      // The first one goes in the place of the base class's own.
      if (!first) gst_pad_push_event(aggregator->srcpad, event.release());
      return;
    }
    case GST_EVENT_CAPS: {
      GstCaps* caps = nullptr;
      gst_event_parse_caps(event.get(), &caps);
      gst_aggregator_set_src_caps(aggregator, caps);
      state.caps_sent = true;
      for (EventPtr& held : std::exchange(state.held_events, {})) {
        gst_pad_push_event(aggregator->srcpad, held.release());
      }
      return;
    }
    case GST_EVENT_SEGMENT: {
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(event.get(), &segment);
      gst_aggregator_update_segment(aggregator, segment);
      state.sent_segment = *segment;
      state.segment_pending = true;
      return;
    }
    case GST_EVENT_GAP:
      // Before the first frame there is no segment downstream that it could belong to.
      if (!state.segment_pending) gst_pad_push_event(aggregator->srcpad, event.release());
      return;
    default:
      if (state.caps_sent) {
        gst_pad_push_event(aggregator->srcpad, event.release());
      } else {
        state.held_events.push_back(std::move(event));
      }
  }
}

GstPadProbeReturn replace_stream_start(GstPad*, GstPadProbeInfo* info, gpointer data) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) != GST_EVENT_STREAM_START) return GST_PAD_PROBE_OK;
  State& state = GST_LATENTSYNC(data)->element->state;
  std::lock_guard lock(state.mutex);
  state.stream_start_sent = true;
  if (state.stream_start && state.stream_start.get() != event) {
    GST_PAD_PROBE_INFO_DATA(info) = gst_event_ref(state.stream_start.get());
    gst_event_unref(event);
  }
  return GST_PAD_PROBE_OK;
}

void update_latency(GstLatentsync* self) {
  const State& state = self->element->state;
  // Filling the window, hearing beyond its end, and as long again to make it.
  const GstClockTime latency = 2 * window_duration(state) + state.lookahead_ns;
  gst_aggregator_set_latency(GST_AGGREGATOR(self), latency, latency);
}

}  // namespace latentsync
