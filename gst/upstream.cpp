#include "gst/upstream.h"

namespace latentsync {
namespace {

/// Pads between a source and a sink pad, more than any graph has.
constexpr int kMostPads = 256;

/// A streaming thread holds the stream lock of every sink pad that it is inside of.
bool is_busy(GstPad* pad) {
  if (!GST_PAD_STREAM_TRYLOCK(pad)) return true;
  GST_PAD_STREAM_UNLOCK(pad);
  return false;
}

bool look_upstream(GstPad* sink, int& budget);

/// The sink pads that SRC's buffers come from. A ghost pad's is the inside of it.
bool look_behind(GstPad* src, int& budget) {
  GstIterator* links = gst_pad_iterate_internal_links(src);
  if (!links) return false;
  bool busy = false;
  GValue item = G_VALUE_INIT;
  while (!busy && gst_iterator_next(links, &item) == GST_ITERATOR_OK) {
    auto* sink = GST_PAD(g_value_get_object(&item));
    busy = is_busy(sink) || look_upstream(sink, budget);
    g_value_reset(&item);
  }
  g_value_unset(&item);
  gst_iterator_free(links);
  return busy;
}

bool look_upstream(GstPad* sink, int& budget) {
  if (--budget < 0) return false;
  GstPad* src = gst_pad_get_peer(sink);
  if (!src) return false;
  const bool busy = look_behind(src, budget);
  gst_object_unref(src);
  return busy;
}

}  // namespace

bool is_held_back(GstPad* pad) {
  int budget = kMostPads;
  return look_upstream(pad, budget);
}

}  // namespace latentsync
