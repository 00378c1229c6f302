#include "gst/debug.h"
#include "gst/element.h"

#include <gst/audio/audio.h>
#include <utility>

/// Events. What becomes of those that arrive at the sink pads:
///
///   event                                video_sink                      audio_sink
///   FLUSH_START, FLUSH_STOP              forwarded at once;              forwarded at once;
///                                        drop all video                  drop all audio
///   CAPS, SEGMENT, STREAM_START          read, queued                    read, queued
///   GAP                                  queued; tells where it is       silence up to its end;
///                                                                        queued
///   EOS, SEGMENT_DONE                    queued; a window ends           no more audio; queued
///   others, serialized (TAG, custom …)   queued                          queued
///   others (custom, out of band …)       forwarded at once               forwarded at once
///
/// What is queued or forwarded leaves, as it came, by src and audio_src; without an audio_src what
/// arrives at audio_sink ends there. "Queued": the event leaves after the frames or audio before it
/// and before those after it. A flush keeps queued sticky events but for SEGMENT and EOS. Of
/// upstream events SEEK goes to both sources (seek.cpp), from either source pad. Of those that
/// arrive at src QOS, NAVIGATION and RECONFIGURE, which are about pictures, go to the video's
/// source, others to both; what else arrives at audio_src goes to the audio's (audio_pad.cpp).
namespace latentsync {
namespace {

/// Why an event is refused, as an error of the element.
using Refusal = std::optional<Failure>;

/// The ACCEPT_CAPS query has refused them already: whoever sends them all the same did not ask.
Failure unreadable_caps(GstCaps* caps) {
  gchar* text = gst_caps_to_string(caps);
  Failure failure{ErrorCode::kUnsupported,
                  "The caps of a sink pad make no sense. Put videoconvert before video_sink, and "
                  "audioconvert before audio_sink.",
                  text};
  g_free(text);
  return failure;
}

Refusal set_caps(Element& element, bool video, EventPtr event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event.get(), &caps);
  if (!video) {
    GstAudioInfo info;
    if (!gst_audio_info_from_caps(&info, caps)) return unreadable_caps(caps);
    // The same again is no news, and does not end a run.
    if (!element.speech.has_format() || !gst_audio_info_is_equal(&info, &element.speech.format())) {
      if (auto failure = end_run(element)) return failure;
      if (!element.speech.set_format(info)) return unreadable_caps(caps);
    }
    const std::lock_guard lock(element.monitor->mutex);
    element.audio_output.push(std::move(event));
    return std::nullopt;
  }
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) return unreadable_caps(caps);
  element.pools.reset();
  element.worker->set_frame_size(GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info));
  const bool on_device = cuda::is_device_caps(caps);
  bool latency_changed;
  int held;
  {
    const std::lock_guard lock(element.monitor->mutex);
    element.input.video.set_caps(info, std::move(event));
    latency_changed = update_own_latency(element);
    held = element.source.most_held();
    element.monitor->notify();
  }
  element.worker->set_held_bytes(on_device ? held * device_frame_bytes(element, caps, info) : 0);
  if (latency_changed) post_latency(element);
  return std::nullopt;
}

/// Whether a flush drops the event. One that was on its way into the element when the flush began
/// arrives after FLUSH_START, and would be the first of what comes after FLUSH_STOP.
bool is_flushed(const Input& input, bool video, GstEvent* event) {
  if (!(video ? input.video.flushing() : input.audio.flushing())) return false;
  const GstEventType type = GST_EVENT_TYPE(event);
  return !GST_EVENT_IS_STICKY(event) || type == GST_EVENT_SEGMENT || type == GST_EVENT_EOS;
}

Refusal set_segment(Element& element, bool video, EventPtr event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  if (segment->format != GST_FORMAT_TIME) {
    return Failure{ErrorCode::kUnsupported,
                   std::string("A segment in ") + gst_format_get_name(segment->format) +
                       " arrived at " + (video ? "video_sink" : "audio_sink") +
                       ": put a parser or decoder before it that works in time."};
  }
  const GstSegment copy = *segment;
  if (!video) {
    if (auto failure = end_run(element)) return failure;
  }
  const std::lock_guard lock(element.monitor->mutex);
  if (is_flushed(element.input, video, event.get())) return std::nullopt;
  if (video) {
    element.input.video.set_segment(copy, std::move(event));
  } else {
    const GstStructure* fields = gst_event_get_structure(event.get());
    element.input.audio.set_segment(copy, gst_structure_has_field(fields, kOwnTimeline));
    element.audio_output.push(std::move(event));
  }
  element.monitor->notify();
  return std::nullopt;
}

/// With the lock held; caps and segments are handled above.
void take_video_event(Input& input, EventPtr event) {
  switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_STREAM_START:
      input.video.begin(std::move(event));
      break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
      input.video.end(std::move(event));
      break;
    case GST_EVENT_GAP:
      ++input.arrivals;
      input.video.push_gap(std::move(event));
      break;
    default:
      input.video.push_event(std::move(event));
  }
}

/// Whether the audio before this event of audio_sink has no continuation behind it.
bool ends_run(GstEvent* event) {
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_GAP:
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
      return true;
    default:
      return false;
  }
}

Refusal take_audio_event(Input& input, GstEvent* event) {
  const gchar* stream_id = nullptr;
  GstClockTime time = 0, duration = 0;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      gst_event_parse_stream_start(event, &stream_id);
      input.audio.begin(stream_id);
      break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
      input.audio.end(GST_EVENT_TYPE(event) == GST_EVENT_EOS);
      break;
    case GST_EVENT_GAP:
      gst_event_parse_gap(event, &time, &duration);
      ++input.arrivals;
      if (!input.audio.drops()) return input.audio.push_gap(time, duration);
      break;
    default:
      break;
  }
  return std::nullopt;
}

gboolean flush_video(Element& element, EventPtr event) {
  if (GST_EVENT_TYPE(event.get()) == GST_EVENT_FLUSH_START) {
    int dropped;
    {
      const std::lock_guard lock(element.monitor->mutex);
      dropped = element.input.video.begin_flush(gst_event_get_seqnum(event.get()));
      element.source.flush();
    }
    element.reporter.count_dropped(dropped);
    gst_pad_push_event(element.pads.src, event.release());
    // Until the turn of the source task that was going on has ended.
    gst_pad_pause_task(element.pads.src);
    return TRUE;
  }
  gst_pad_push_event(element.pads.src, event.release());
  {
    const std::lock_guard lock(element.monitor->mutex);
    element.input.video.end_flush();
    element.input.audio.video_flushed();
    element.input.audio_flushed.reset();
    element.source.resume();
  }
  element.start_task();
  return TRUE;
}

gboolean forward(Element& element, bool video, EventPtr event) {
  const PadPtr out = way_out(element, video);
  return out ? gst_pad_push_event(out.get(), event.release()) : TRUE;
}

}  // namespace

gboolean sink_event(Element& element, GstPad* pad, GstEvent* raw) {
  EventPtr event(raw);
  const bool video = element.is_video(pad);
  GST_DEBUG_OBJECT(pad, "arrived: %" GST_PTR_FORMAT, raw);
  Refusal refusal;
  switch (GST_EVENT_TYPE(raw)) {
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      return video ? flush_video(element, std::move(event))
                   : flush_audio(element, std::move(event));
    case GST_EVENT_CAPS:
      refusal = set_caps(element, video, std::move(event));
      break;
    case GST_EVENT_SEGMENT:
      refusal = set_segment(element, video, std::move(event));
      break;
    default: {
      if (!GST_EVENT_IS_SERIALIZED(raw)) return forward(element, video, std::move(event));
      if (!video && ends_run(raw) && (refusal = end_run(element))) break;
      const std::lock_guard lock(element.monitor->mutex);
      if (is_flushed(element.input, video, raw)) return FALSE;
      if (video) {
        take_video_event(element.input, std::move(event));
      } else if (!(refusal = take_audio_event(element.input, raw))) {
        element.audio_output.push(std::move(event));
      }
      element.monitor->notify();
    }
  }
  if (!refusal) return TRUE;
  element.fail(*refusal);
  return FALSE;
}

gboolean end_stream(Element& element, GstEvent* event) {
  const std::lock_guard lock(element.monitor->mutex);
  element.input.audio.end(true);
  element.audio_output.push(EventPtr(gst_event_ref(event)));
  element.input.video.end(EventPtr(event));
  element.monitor->notify();
  return TRUE;
}

gboolean src_event(Element& element, GstPad* pad, GstEvent* event) {
  GST_DEBUG_OBJECT(pad, "arrived: %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEEK:
      return seek(element, event);
    case GST_EVENT_RECONFIGURE: {
      const std::lock_guard lock(element.monitor->mutex);
      element.source.relinked();
    }
      [[fallthrough]];
    case GST_EVENT_QOS:
    case GST_EVENT_NAVIGATION:
      return gst_pad_push_event(element.pads.video, event);
    default: {
      const gboolean audio = gst_pad_push_event(element.pads.audio, gst_event_ref(event));
      return gst_pad_push_event(element.pads.video, event) || audio;
    }
  }
}

}  // namespace latentsync
