#include "gst/latentsync_pad.h"

#include "gst/debug.h"
#include "gst/handles.h"
#include "gst/latentsync.h"

#include <atomic>

struct _GstLatentsyncPad {
  GstAggregatorPad parent;
  GstPadChainFunction base_chain;
  std::atomic<bool> token;  ///< one is on the pad, or is being put there
  GstEvent* last_event;     ///< guarded by the object lock
};

G_DEFINE_FINAL_TYPE(GstLatentsyncPad, gst_latentsync_pad, GST_TYPE_AGGREGATOR_PAD)

static GstFlowReturn gst_latentsync_pad_chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
  const GstFlowReturn result = GST_LATENTSYNC_PAD(pad)->base_chain(pad, parent, buffer);
  gst_latentsync_wake(GST_LATENTSYNC(parent));
  return result;
}

static GstFlowReturn gst_latentsync_pad_flush(GstAggregatorPad* pad, GstAggregator*) {
  // The token went with the rest of the queue.
  GST_LATENTSYNC_PAD(pad)->token = false;
  GST_OBJECT_LOCK(pad);
  gst_clear_event(&GST_LATENTSYNC_PAD(pad)->last_event);
  GST_OBJECT_UNLOCK(pad);
  return GST_FLOW_OK;
}

static void gst_latentsync_pad_finalize(GObject* object) {
  gst_clear_event(&GST_LATENTSYNC_PAD(object)->last_event);
  G_OBJECT_CLASS(gst_latentsync_pad_parent_class)->finalize(object);
}

static void gst_latentsync_pad_constructed(GObject* object) {
  G_OBJECT_CLASS(gst_latentsync_pad_parent_class)->constructed(object);
  auto* pad = GST_LATENTSYNC_PAD(object);
  pad->base_chain = GST_PAD_CHAINFUNC(pad);
  gst_pad_set_chain_function(GST_PAD(pad), GST_DEBUG_FUNCPTR(gst_latentsync_pad_chain));
}

static void gst_latentsync_pad_class_init(GstLatentsyncPadClass* klass) {
  G_OBJECT_CLASS(klass)->constructed = gst_latentsync_pad_constructed;
  G_OBJECT_CLASS(klass)->finalize = gst_latentsync_pad_finalize;
  GST_AGGREGATOR_PAD_CLASS(klass)->flush = GST_DEBUG_FUNCPTR(gst_latentsync_pad_flush);
}

static void gst_latentsync_pad_init(GstLatentsyncPad* pad) {
  pad->base_chain = nullptr;
  pad->token = false;
  pad->last_event = nullptr;
}

void gst_latentsync_pad_wake(GstLatentsyncPad* pad) {
  if (pad->token.exchange(true)) return;
  auto* object = GST_OBJECT(gst_pad_get_parent(GST_PAD(pad)));
  if (!object) return;
  GstSegment& segment = GST_AGGREGATOR_PAD(pad)->segment;
  GST_OBJECT_LOCK(pad);
  // Before the pad's own segment any will do; the position keeps the level of a live pad right.
  if (segment.format != GST_FORMAT_TIME) gst_segment_init(&segment, GST_FORMAT_TIME);
  GstClockTime time = segment.start;
  if (GST_CLOCK_TIME_IS_VALID(segment.position) && segment.position > time &&
      (!GST_CLOCK_TIME_IS_VALID(segment.stop) || segment.position < segment.stop)) {
    time = segment.position;
  }
  GST_OBJECT_UNLOCK(pad);
  if (!gst_latentsync_base_sink_event(GST_LATENTSYNC(object), GST_AGGREGATOR_PAD(pad),
                                      gst_event_new_gap(time, GST_CLOCK_TIME_NONE))) {
    // The pad is flushing or at its end: whoever changes that wakes the element.
    pad->token = false;
  }
  gst_object_unref(object);
}

GstBuffer* gst_latentsync_pad_peek(GstLatentsyncPad* pad, gboolean* arrived) {
  for (;;) {
    latentsync::BufferPtr next(gst_aggregator_pad_peek_buffer(GST_AGGREGATOR_PAD(pad)));
    if (!next || !GST_BUFFER_FLAG_IS_SET(next.get(), GST_BUFFER_FLAG_GAP) ||
        GST_BUFFER_DURATION_IS_VALID(next.get()) || gst_buffer_get_size(next.get()) > 0) {
      return next.release();
    }
    next.reset();
    gst_aggregator_pad_drop_buffer(GST_AGGREGATOR_PAD(pad));
    pad->token = false;
    *arrived = TRUE;
  }
}

gboolean gst_latentsync_pad_is_repeated(GstLatentsyncPad* pad, GstEvent* event) {
  GST_OBJECT_LOCK(pad);
  // The reference keeps another event from getting the same address.
  const gboolean repeated = !gst_event_replace(&pad->last_event, event);
  GST_OBJECT_UNLOCK(pad);
  return repeated;
}
