#include "gst/bin/clip_in_point.h"
#include "gst/bin/speech_bin.h"
#include "gst/debug.h"
#include "gst/input/timeline.h"

#include <utility>

/// Pads: frames go through the element as they are, and their times are passed to the feed
/// of the speech.
namespace latentsync {
namespace {

SpeechSource source_of(SpeechBin& bin) {
  const std::lock_guard lock(bin.mutex);
  return bin.source;
}

void take_segment(SpeechBin& bin, GstEvent* event) {
  gst_event_copy_segment(event, &bin.segment);
  if (bin.segment.format != GST_FORMAT_TIME || source_of(bin) != SpeechSource::kUri) return;
  bin.feed.set_segment(bin.segment, clip_in_point(GST_ELEMENT(bin.self)));
}

/// A flush of the video is one of the speech.
template <typename Feed>
void flush(Feed& feed, GstEvent* event) {
  EventPtr own(gst_event_ref(event));
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) {
    feed.flush_start(std::move(own));
  } else {
    feed.flush_stop(std::move(own));
  }
}

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  SpeechBin& bin = speech_bin_of(parent);
  const SpeechSource source = source_of(bin);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
      take_segment(bin, event);
      break;
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      if (source == SpeechSource::kUri) flush(bin.feed, event);
      if (source == SpeechSource::kChannel) flush(bin.channel, event);
      break;
    default:
      break;
  }
  return gst_pad_event_default(pad, parent, event);
}

/// The video's new segment says where a seek has taken it: only the video is sought.
gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  SpeechBin& bin = speech_bin_of(parent);
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) {
    const SpeechSource source = source_of(bin);
    const bool inside = source == SpeechSource::kUri || source == SpeechSource::kChannel;
    if (inside) return gst_pad_push_event(bin.sink, event);
  }
  return gst_pad_event_default(pad, parent, event);
}

void advance(SpeechBin& bin, GstBuffer* buffer) {
  if (bin.segment.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID(buffer)) return;
  const GstClockTime duration =
      GST_BUFFER_DURATION_IS_VALID(buffer) ? GST_BUFFER_DURATION(buffer) : 0;
  const int64_t end = running_time(bin.segment, GST_BUFFER_PTS(buffer) + duration);
  if (source_of(bin) == SpeechSource::kUri) {
    bin.feed.advance(end);
  } else {
    bin.channel.advance(end, static_cast<int64_t>(duration));
  }
}

GstPadProbeReturn watch_frames(GstPad*, GstPadProbeInfo* info, gpointer data) {
  SpeechBin& bin = *static_cast<SpeechBin*>(data);
  const SpeechSource source = source_of(bin);
  if (source != SpeechSource::kUri && source != SpeechSource::kChannel) return GST_PAD_PROBE_OK;
  if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
    for (guint i = 0; i < gst_buffer_list_length(list); ++i) {
      advance(bin, gst_buffer_list_get(list, i));
    }
  } else {
    advance(bin, GST_PAD_PROBE_INFO_BUFFER(info));
  }
  return GST_PAD_PROBE_OK;
}

/// With a channel it counts what has left, too.
GstPadProbeReturn watch_output(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  SpeechBin& bin = *static_cast<SpeechBin*>(data);
  if (source_of(bin) != SpeechSource::kChannel) return GST_PAD_PROBE_OK;
  const GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const EventPtr event(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  if (!event || !GST_BUFFER_PTS_IS_VALID(buffer)) return GST_PAD_PROBE_OK;
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  bin.channel.leave(running_time(*segment, GST_BUFFER_PTS(buffer)));
  return GST_PAD_PROBE_OK;
}

GstPad* add_pad(SpeechBin& bin, const char* name) {
  GstPadTemplate* pad_template =
      gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(bin.self), name);
  GstPad* pad = gst_ghost_pad_new_no_target_from_template(name, pad_template);
  gst_element_add_pad(GST_ELEMENT(bin.self), pad);
  return pad;
}

void set_target(GstPad* pad, GstElement* element, const char* name) {
  const PadPtr target(gst_element_get_static_pad(element, name));
  gst_ghost_pad_set_target(GST_GHOST_PAD(pad), target.get());
}

}  // namespace

void link_feed(SpeechBin& bin, SpeechSource source) {
  const PadPtr sink(gst_element_get_static_pad(bin.element, "audio_sink"));
  for (GstPad* feed : {bin.feed.pad(), bin.channel.pad()}) {
    if (gst_pad_is_linked(feed)) gst_pad_unlink(feed, sink.get());
  }
  if (source == SpeechSource::kPad) return;
  GstPad* const feed = source == SpeechSource::kChannel ? bin.channel.pad() : bin.feed.pad();
  gst_pad_link_full(feed, sink.get(), GST_PAD_LINK_CHECK_NOTHING);
}

void add_bin_pads(SpeechBin& bin) {
  bin.sink = add_pad(bin, "sink");
  bin.src = add_pad(bin, "src");
  gst_pad_set_event_function(bin.sink, sink_event);
  gst_pad_set_event_function(bin.src, src_event);
  gst_pad_add_probe(
      bin.sink,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      watch_frames, &bin, nullptr);
  gst_pad_add_probe(bin.src, GST_PAD_PROBE_TYPE_BUFFER, watch_output, &bin, nullptr);
  link_feed(bin, SpeechSource::kNone);
  set_target(bin.sink, bin.element, "video_sink");
  set_target(bin.src, bin.element, "src");
}

void route_frames(SpeechBin& bin, bool edited) {
  if (edited == !bin.bypass) return;
  // Nothing in the bin is left unlinked: gst_parse would make pads of it.
  if (!edited) {
    bin.bypass = gst_element_factory_make("identity", nullptr);
    if (!bin.bypass) return;
    gst_bin_add(bin.self, bin.bypass);
  }
  GstElement* const way = edited ? bin.element : bin.bypass;
  set_target(bin.sink, way, edited ? "video_sink" : "sink");
  set_target(bin.src, way, "src");
  gst_element_set_locked_state(bin.element, !edited);
  if (!edited) return;
  gst_element_set_state(bin.bypass, GST_STATE_NULL);
  gst_bin_remove(bin.self, std::exchange(bin.bypass, nullptr));
}

GstPad* request_audio_sink(SpeechBin& bin, GstPadTemplate* pad_template) {
  {
    const std::lock_guard lock(bin.mutex);
    if (bin.audio_sink || bin.source != SpeechSource::kNone) {
      GST_WARNING_OBJECT(bin.self, bin.audio_sink
                                       ? "there is one audio-sink already"
                                       : "other speech is being read: no audio-sink now");
      return nullptr;
    }
  }
  link_feed(bin, SpeechSource::kPad);
  const PadPtr target(gst_element_get_static_pad(bin.element, "audio_sink"));
  GstPad* pad = gst_ghost_pad_new_from_template("audio-sink", target.get(), pad_template);
  {
    const std::lock_guard lock(bin.mutex);
    bin.audio_sink = pad;
  }
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(GST_ELEMENT(bin.self), pad);
  return pad;
}

void release_audio_sink(SpeechBin& bin, GstPad* pad) {
  {
    const std::lock_guard lock(bin.mutex);
    if (bin.audio_sink != pad) return;
    bin.audio_sink = nullptr;
  }
  gst_ghost_pad_set_target(GST_GHOST_PAD(pad), nullptr);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(GST_ELEMENT(bin.self), pad);
  link_feed(bin, SpeechSource::kNone);
}

}  // namespace latentsync
