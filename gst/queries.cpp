#include "gst/debug.h"
#include "gst/element.h"

#include <gst/audio/audio.h>

/// Queries: what the video's neighbours may know goes through, the rest is answered here.
namespace latentsync {
namespace {

/// Caps may fit the template and be of no use all the same: fields apart are no picture.
bool can_use(GstQuery* query, bool video) {
  GstCaps* caps = nullptr;
  gst_query_parse_accept_caps(query, &caps);
  GstAudioInfo audio;
  if (!video) return gst_audio_info_from_caps(&audio, caps);
  GstVideoInfo info;
  return gst_video_info_from_caps(&info, caps) &&
         GST_VIDEO_INFO_INTERLACE_MODE(&info) != GST_VIDEO_INTERLACE_MODE_FIELDS &&
         GST_VIDEO_INFO_INTERLACE_MODE(&info) != GST_VIDEO_INTERLACE_MODE_ALTERNATE;
}

/// What downstream offers, with room for the buffers that are held here.
gboolean answer_allocation(Element& element, GstQuery* query) {
  GstCaps* caps = nullptr;
  gboolean need_pool = FALSE;
  gst_query_parse_allocation(query, &caps, &need_pool);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps(&info, caps)) return FALSE;
  guint held;
  {
    // Downstream knows these caps only once they have left.
    Lock lock(element.monitor->mutex);
    element.source.let_events_out(lock);
    held = static_cast<guint>(element.source.most_held());
  }
  if (!gst_pad_peer_query(element.pads.src, query)) {
    GST_DEBUG_OBJECT(element.self, "downstream does not answer ALLOCATION");
  }
  if (cuda::is_device_caps(caps)) {
    answer_device_allocation(element, query, caps, held);
    return TRUE;
  }
  bool offered = false;
  for (guint i = 0; i < gst_query_get_n_allocation_pools(query); ++i) {
    GstBufferPool* pool = nullptr;
    guint size = 0, least = 0, most = 0;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    least += held;
    // A pool that cannot grow would run dry here.
    const bool enough = most == 0 || most >= least;
    gst_query_set_nth_allocation_pool(query, i, enough ? pool : nullptr, size, least,
                                      enough ? most : 0);
    if (pool) gst_object_unref(pool);
    offered = true;
  }
  if (!offered) gst_query_add_allocation_pool(query, nullptr, GST_VIDEO_INFO_SIZE(&info), held, 0);
  GST_DEBUG_OBJECT(element.self, "ALLOCATION: %u buffers are held", held);
  return TRUE;
}

/// Whoever asks gets all its buffers back before the answer.
gboolean drain(Element& element, GstQuery* query) {
  {
    Lock lock(element.monitor->mutex);
    GST_DEBUG_OBJECT(element.self, "draining %d frames",
                     element.input.video.frames() + element.source.held());
    element.source.drain(lock);
  }
  gst_pad_peer_query(element.pads.src, query);
  return TRUE;
}

/// The caps of OTHER's peer as far as PAD can do them; OTHER may be null.
void answer_caps(GstPad* pad, GstPad* other, GstQuery* query) {
  GstCaps* filter = nullptr;
  gst_query_parse_caps(query, &filter);
  CapsPtr own(gst_pad_get_pad_template_caps(pad));
  CapsPtr wanted(filter ? gst_caps_intersect_full(filter, own.get(), GST_CAPS_INTERSECT_FIRST)
                        : gst_caps_ref(own.get()));
  CapsPtr peer(other ? gst_pad_peer_query_caps(other, wanted.get()) : gst_caps_ref(wanted.get()));
  CapsPtr result(gst_caps_intersect_full(peer.get(), wanted.get(), GST_CAPS_INTERSECT_FIRST));
  gst_query_set_caps_result(query, result.get());
}

/// The video's answer, as far as a seek would not be refused (seek.cpp).
gboolean answer_seeking(Element& element, GstQuery* query) {
  if (!gst_pad_peer_query(element.pads.video, query)) return FALSE;
  GstFormat format = GST_FORMAT_UNDEFINED;
  gint64 begin = 0, end = -1;
  gst_query_parse_seeking(query, &format, nullptr, &begin, &end);
  if (format != GST_FORMAT_TIME || !is_seekable(element.pads.audio)) {
    gst_query_set_seeking(query, format, FALSE, begin, end);
  }
  return TRUE;
}

}  // namespace

PadPtr way_out(Element& element, bool video) {
  const std::lock_guard lock(element.monitor->mutex);
  GstPad* const pad = video ? element.pads.src : element.audio_output.pad();
  return PadPtr(pad ? GST_PAD(gst_object_ref(pad)) : nullptr);
}

gboolean sink_query(Element& element, GstPad* pad, GstQuery* query) {
  const bool video = element.is_video(pad);
  GstObject* parent = GST_OBJECT(element.self);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
      answer_caps(pad, way_out(element, video).get(), query);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      if (!gst_pad_query_default(pad, parent, query)) return FALSE;
      if (!can_use(query, video)) gst_query_set_accept_caps_result(query, FALSE);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      return video && answer_allocation(element, query);
    case GST_QUERY_DRAIN:
      return video && drain(element, query);
    case GST_QUERY_SCHEDULING:
      return gst_pad_query_default(pad, parent, query);
    case GST_QUERY_CONTEXT:
      if (video && answer_context(element, query)) return TRUE;
      [[fallthrough]];
    default: {
      const PadPtr out = way_out(element, video);
      return out && gst_pad_peer_query(out.get(), query);
    }
  }
}

gboolean answer_downstream(Element& element, GstPad* pad, GstPad* sink, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY:
      return answer_latency(element, query);
    case GST_QUERY_SEEKING:
      return answer_seeking(element, query);
    case GST_QUERY_CAPS:
      answer_caps(pad, sink, query);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
    case GST_QUERY_SCHEDULING:
      return gst_pad_query_default(pad, GST_OBJECT(element.self), query);
    case GST_QUERY_CONTEXT:
      if (sink == element.pads.video && answer_context(element, query)) return TRUE;
      [[fallthrough]];
    default:
      return gst_pad_peer_query(sink, query);
  }
}

gboolean src_query(Element& element, GstPad* pad, GstQuery* query) {
  return answer_downstream(element, pad, element.pads.video, query);
}

}  // namespace latentsync
