#include "gst/bin/clip_in_point.h"
#include "gst/bin/speech_bin.h"
#include "gst/debug.h"
#include "gst/input/timeline.h"

#include <utility>

/// Pads: frames go through the element as they are, and their times are passed to the feed
/// of the speech.
namespace latentsync {
namespace {

bool feeds(SpeechBin& bin) {
  const std::lock_guard lock(bin.mutex);
  return bin.feeding;
}

void take_segment(SpeechBin& bin, GstEvent* event) {
  gst_event_copy_segment(event, &bin.segment);
  if (bin.segment.format != GST_FORMAT_TIME) return;
  bin.feed.set_segment(bin.segment, clip_in_point(GST_ELEMENT(bin.self)));
}

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  SpeechBin& bin = speech_bin_of(parent);
  if (feeds(bin)) {
    switch (GST_EVENT_TYPE(event)) {
      case GST_EVENT_SEGMENT:
        take_segment(bin, event);
        break;
      case GST_EVENT_FLUSH_START:
        bin.feed.flush_start(EventPtr(gst_event_ref(event)));
        break;
      case GST_EVENT_FLUSH_STOP:
        bin.feed.flush_stop(EventPtr(gst_event_ref(event)));
        break;
      default:
        break;
    }
  }
  return gst_pad_event_default(pad, parent, event);
}

/// The video's new segment says where a seek has taken it: only the video is sought.
gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  SpeechBin& bin = speech_bin_of(parent);
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK && feeds(bin)) {
    return gst_pad_push_event(bin.sink, event);
  }
  return gst_pad_event_default(pad, parent, event);
}

void advance(SpeechBin& bin, GstBuffer* buffer) {
  if (bin.segment.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID(buffer)) return;
  GstClockTime end = GST_BUFFER_PTS(buffer);
  if (GST_BUFFER_DURATION_IS_VALID(buffer)) end += GST_BUFFER_DURATION(buffer);
  bin.feed.advance(running_time(bin.segment, end));
}

GstPadProbeReturn watch_frames(GstPad*, GstPadProbeInfo* info, gpointer data) {
  SpeechBin& bin = *static_cast<SpeechBin*>(data);
  if (!feeds(bin)) return GST_PAD_PROBE_OK;
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

/// The feed is linked where no pad of the application is.
void link_feed(SpeechBin& bin, bool on) {
  const PadPtr sink(gst_element_get_static_pad(bin.element, "audio_sink"));
  if (on) {
    gst_pad_link_full(bin.feed.pad(), sink.get(), GST_PAD_LINK_CHECK_NOTHING);
  } else {
    gst_pad_unlink(bin.feed.pad(), sink.get());
  }
}

}  // namespace

void add_bin_pads(SpeechBin& bin) {
  bin.sink = add_pad(bin, "sink");
  bin.src = add_pad(bin, "src");
  gst_pad_set_event_function(bin.sink, sink_event);
  gst_pad_set_event_function(bin.src, src_event);
  gst_pad_add_probe(
      bin.sink,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      watch_frames, &bin, nullptr);
  link_feed(bin, true);
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
    if (bin.audio_sink || bin.feeding) {
      GST_WARNING_OBJECT(bin.self, bin.audio_sink ? "there is one audio-sink already"
                                                  : "audio-uri is being read: no audio-sink now");
      return nullptr;
    }
  }
  link_feed(bin, false);
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
  link_feed(bin, true);
}

}  // namespace latentsync
