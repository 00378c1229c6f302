#include "gst/debug.h"
#include "gst/latentsync_private.h"

#include <gst/video/gstvideometa.h>

/// Queries: what the video's neighbours may know goes through, the rest is answered here.
namespace latentsync {
namespace {

/// Buffers that are held at once: a window that is made, one that fills, and one that leaves.
guint held_buffers(const State& state) { return 2 * state.window_frames + 2; }

/// The caps of OTHER's peer as far as PAD can do them.
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

/// The same query may be asked again (gst/latentsync_pad.h).
void forget_answer(GstQuery* query) {
  while (gst_query_get_n_allocation_pools(query) > 0) {
    gst_query_remove_nth_allocation_pool(query, 0);
  }
  while (gst_query_get_n_allocation_params(query) > 0) {
    gst_query_remove_nth_allocation_param(query, 0);
  }
  while (gst_query_get_n_allocation_metas(query) > 0) {
    gst_query_remove_nth_allocation_meta(query, 0);
  }
}

/// What downstream offers, with room for the buffers that are held here.
gboolean answer_allocation(GstLatentsync* self, GstQuery* query) {
  GstCaps* caps = nullptr;
  gboolean need_pool = FALSE;
  gst_query_parse_allocation(query, &caps, &need_pool);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps(&info, caps)) return FALSE;
  forget_answer(query);
  const guint held = held_buffers(self->element->state);
  if (!gst_pad_peer_query(GST_AGGREGATOR_SRC_PAD(self), query)) {
    GST_DEBUG_OBJECT(self, "downstream does not answer ALLOCATION");
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
  return TRUE;
}

/// The video's answer, as far as a seek would not be refused (gst/latentsync_seek.cpp).
gboolean answer_seeking(GstLatentsync* self, GstQuery* query) {
  if (!gst_pad_peer_query(GST_PAD(self->video), query)) return FALSE;
  GstFormat format = GST_FORMAT_UNDEFINED;
  gint64 begin = 0, end = -1;
  gst_query_parse_seeking(query, &format, nullptr, &begin, &end);
  if (format != GST_FORMAT_TIME || !is_seekable(audio_pad(self))) {
    gst_query_set_seeking(query, format, FALSE, begin, end);
  }
  return TRUE;
}

}  // namespace

gboolean sink_query(GstAggregator* aggregator, GstAggregatorPad* pad, GstQuery* query) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  const bool video = pad == video_pad(self);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
      answer_caps(GST_PAD(pad), video ? GST_AGGREGATOR_SRC_PAD(self) : nullptr, query);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      if (!base_class()->sink_query(aggregator, pad, query)) return FALSE;
      if (!can_use(query, video)) gst_query_set_accept_caps_result(query, FALSE);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      return video && answer_allocation(self, query);
    case GST_QUERY_POSITION:
    case GST_QUERY_DURATION:
    case GST_QUERY_URI:
      if (video) return gst_pad_peer_query(GST_AGGREGATOR_SRC_PAD(self), query);
      return FALSE;
    default:
      return base_class()->sink_query(aggregator, pad, query);
  }
}

gboolean src_query(GstAggregator* aggregator, GstQuery* query) {
  GstLatentsync* self = GST_LATENTSYNC(aggregator);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_POSITION:
    case GST_QUERY_DURATION:
    case GST_QUERY_SEGMENT:
    case GST_QUERY_URI:
      return gst_pad_peer_query(GST_PAD(self->video), query);
    case GST_QUERY_SEEKING:
      return answer_seeking(self, query);
    case GST_QUERY_CAPS:
      answer_caps(aggregator->srcpad, GST_PAD(self->video), query);
      return TRUE;
    default:
      return base_class()->src_query(aggregator, query);
  }
}

}  // namespace latentsync
