#include "gst/latentsync_pad.h"

#include "gst/debug.h"
#include "gst/handles.h"
#include "gst/latentsync.h"

#include <atomic>
#include <cstdint>

struct _GstLatentsyncPad {
  GstAggregatorPad parent;
  GstPadChainFunction base_chain;
  std::atomic<bool> token;       ///< one is on the pad, or is being put there
  std::atomic<int64_t> waiting;  ///< buffers on the pad, tokens and gaps left out
  GstEvent* last_event;          ///< guarded by the object lock
  GMutex token_lock;             ///< before all of the base class's
  bool open;                     ///< guarded by it
};

G_DEFINE_FINAL_TYPE(GstLatentsyncPad, gst_latentsync_pad, GST_TYPE_AGGREGATOR_PAD)

static bool is_gap(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) && gst_buffer_get_size(buffer) == 0;
}

/// A real gap has a length.
static bool is_token(GstBuffer* buffer) {
  const GstClockTime duration = GST_BUFFER_DURATION(buffer);
  return is_gap(buffer) && (duration == 0 || !GST_CLOCK_TIME_IS_VALID(duration));
}

static GstFlowReturn gst_latentsync_pad_chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
  const bool gap = is_gap(buffer);
  const GstFlowReturn result = GST_LATENTSYNC_PAD(pad)->base_chain(pad, parent, buffer);
  if (result == GST_FLOW_OK && !gap) ++GST_LATENTSYNC_PAD(pad)->waiting;
  gst_latentsync_wake(GST_LATENTSYNC(parent));
  return result;
}

static GstFlowReturn gst_latentsync_pad_flush(GstAggregatorPad* pad, GstAggregator*) {
  // They went with the rest of the queue. The stream lock keeps chain() out.
  GST_LATENTSYNC_PAD(pad)->token = false;
  GST_LATENTSYNC_PAD(pad)->waiting = 0;
  GST_OBJECT_LOCK(pad);
  gst_clear_event(&GST_LATENTSYNC_PAD(pad)->last_event);
  GST_OBJECT_UNLOCK(pad);
  return GST_FLOW_OK;
}

static void gst_latentsync_pad_finalize(GObject* object) {
  gst_clear_event(&GST_LATENTSYNC_PAD(object)->last_event);
  g_mutex_clear(&GST_LATENTSYNC_PAD(object)->token_lock);
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
  pad->waiting = 0;
  pad->last_event = nullptr;
  g_mutex_init(&pad->token_lock);
  pad->open = false;
}

void gst_latentsync_pad_set_open(GstLatentsyncPad* pad, gboolean open) {
  g_mutex_lock(&pad->token_lock);
  pad->open = open;
  g_mutex_unlock(&pad->token_lock);
}

/// A time that no segment refuses.
static GstClockTime token_time(GstLatentsyncPad* pad) {
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
  return time;
}

/// Whether the pad has a token now; false where it is closed, flushing, or at its end. Whoever
/// changes that wakes the element.
static bool put_token(GstLatentsyncPad* pad) {
  if (pad->token.exchange(true)) return true;
  auto* object = GST_OBJECT(gst_pad_get_parent(GST_PAD(pad)));
  g_mutex_lock(&pad->token_lock);
  // Without a duration the base class would give it the rest of a segment that has an end.
  const bool put = object && pad->open &&
                   gst_latentsync_base_sink_event(GST_LATENTSYNC(object), GST_AGGREGATOR_PAD(pad),
                                                  gst_event_new_gap(token_time(pad), 0));
  if (!put) pad->token = false;
  g_mutex_unlock(&pad->token_lock);
  if (object) gst_object_unref(object);
  return put;
}

void gst_latentsync_pads_wake(GstLatentsyncPad* first, GstLatentsyncPad* second) {
  do {
    if (!put_token(first) || !put_token(second)) return;
  } while (first->token != second->token);
}

GstBuffer* gst_latentsync_pad_peek(GstLatentsyncPad* pad, gboolean* arrived) {
  for (;;) {
    latentsync::BufferPtr next(gst_aggregator_pad_peek_buffer(GST_AGGREGATOR_PAD(pad)));
    if (!next || !is_token(next.get())) return next.release();
    next.reset();
    gst_aggregator_pad_drop_buffer(GST_AGGREGATOR_PAD(pad));
    pad->token = false;
    *arrived = TRUE;
  }
}

GstBuffer* gst_latentsync_pad_pop(GstLatentsyncPad* pad) {
  latentsync::BufferPtr buffer(gst_aggregator_pad_pop_buffer(GST_AGGREGATOR_PAD(pad)));
  if (buffer && is_token(buffer.get())) {
    pad->token = false;
    return nullptr;
  }
  if (buffer && !is_gap(buffer.get())) --pad->waiting;
  return buffer.release();
}

gboolean gst_latentsync_pad_hides(GstLatentsyncPad* pad) { return pad->waiting > 0; }

void gst_latentsync_pad_pretend(GstLatentsyncPad* pad) { put_token(pad); }

gboolean gst_latentsync_pad_is_repeated(GstLatentsyncPad* pad, GstEvent* event) {
  GST_OBJECT_LOCK(pad);
  // The reference keeps another event from getting the same address.
  const gboolean repeated = !gst_event_replace(&pad->last_event, event);
  GST_OBJECT_UNLOCK(pad);
  return repeated;
}
