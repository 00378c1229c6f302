#include "gst/debug.h"
#include "gst/latentsync_private.h"

#include <utility>

/// Seeks: both sources make them, or nothing has happened.
namespace latentsync {
namespace {

/// What speaks against a seek; null where nothing does. The base class flushes downstream and stops
/// its task before it knows whether anybody can seek.
const char* objection(GstLatentsync* self, GstEvent* event) {
  gdouble rate = 1;
  GstFormat format = GST_FORMAT_UNDEFINED;
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  gst_event_parse_seek(event, &rate, &format, &flags, nullptr, nullptr, nullptr, nullptr);
  if (rate < 0) return "reverse playback is not possible: seek with a positive rate";
  if (format != GST_FORMAT_TIME) return "frames and audio meet by time: seek in GST_FORMAT_TIME";
  if (!(flags & GST_SEEK_FLAG_FLUSH)) return nullptr;
  if (!is_seekable(video_pad(self))) return "what feeds video_sink cannot seek";
  if (!is_seekable(audio_pad(self))) return "what feeds audio_sink cannot seek";
  return nullptr;
}

/// After a seek that was refused when it came: the base class has flushed downstream, changed its
/// segment and stopped its task. What the pads hold goes on from where it was.
void undo_seek(GstLatentsync* self) {
  Element& element = *self->element;
  GstPad* source = GST_AGGREGATOR_SRC_PAD(self);
  GstSegment segment;
  bool ended;
  {
    std::lock_guard lock(element.task_mutex);
    // Both pads may have flushed all the same, and the task runs again.
    if (!element.may_run || gst_pad_get_task_state(source) != GST_TASK_STOPPED) return;
    segment = element.state.sent_segment;
    gst_aggregator_update_segment(GST_AGGREGATOR(self), &segment);
    element.state.segment_pending = true;
    ended = element.state.ended;
    // The base class begins its task nowhere else without a flush of both pads.
    const GstPadActivateModeFunction activate = GST_PAD_ACTIVATEMODEFUNC(source);
    activate(source, GST_OBJECT(self), GST_PAD_MODE_PUSH, TRUE);
  }
  if (!ended) return;
  gst_pad_push_event(source, gst_event_new_segment(&segment));
  gst_pad_push_event(source, gst_event_new_eos());
}

}  // namespace

bool is_seekable(GstAggregatorPad* pad) {
  QueryPtr query(gst_query_new_seeking(GST_FORMAT_TIME));
  gboolean seekable = FALSE;
  if (gst_pad_peer_query(GST_PAD(pad), query.get())) {
    gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
  }
  return seekable;
}

gboolean seek(GstAggregator* aggregator, GstEvent* event) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  if (const char* reason = objection(self, event)) {
    GST_WARNING_OBJECT(self, "%s", reason);
    gst_event_unref(event);
    return FALSE;
  }
  GstSeekFlags flags = GST_SEEK_FLAG_NONE;
  gst_event_parse_seek(event, nullptr, nullptr, &flags, nullptr, nullptr, nullptr, nullptr);
  Element& element = *self->element;
  const auto worker = element.share_worker();
  if (!(flags & GST_SEEK_FLAG_FLUSH) || !worker) return base_class()->src_event(aggregator, event);
  {
    std::lock_guard lock(element.state.mutex);
    element.state.flushes_at_seek = element.state.video_flushes;
  }
  worker->interrupt(true);
  const gboolean result = base_class()->src_event(aggregator, event);
  if (result) {
    std::lock_guard lock(element.state.mutex);
    const State& state = element.state;
    if (state.video_flush.goes_on && state.audio_flush.goes_on && is_common_flush(state))
      return TRUE;
  }
  worker->interrupt(false);
  if (!result) undo_seek(self);
  return result;
}

GstPadProbeReturn keep_running_time(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) != GST_EVENT_FLUSH_STOP) return GST_PAD_PROBE_OK;
  const bool runs = gst_pad_get_task_state(pad) != GST_TASK_STOPPED;
  State& state = GST_LATENTSYNC(data)->element->state;
  std::lock_guard lock(state.mutex);
  if (std::exchange(state.flushed, false)) return GST_PAD_PROBE_OK;
  // Both pads have flushed before the refusal: theirs has left already.
  if (runs) return GST_PAD_PROBE_DROP;
  if (state.video_flushes != state.flushes_at_seek) return GST_PAD_PROBE_OK;
  GstEvent* replacement = gst_event_new_flush_stop(FALSE);
  gst_event_set_seqnum(replacement, gst_event_get_seqnum(event));
  GST_PAD_PROBE_INFO_DATA(info) = replacement;
  gst_event_unref(event);
  return GST_PAD_PROBE_OK;
}

}  // namespace latentsync
