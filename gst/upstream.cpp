#include "gst/upstream.h"

#include <functional>
#include <set>

namespace latentsync {
namespace {

/// Pads between a source and a sink pad, more than any graph has.
constexpr int kMostPads = 256;

/// Called for sink pads, the nearest ones first; whether those behind it are to be seen, too.
using Visit = std::function<bool(GstPad*)>;

bool is_busy(GstPad* pad) {
  if (!GST_PAD_STREAM_TRYLOCK(pad)) return true;
  GST_PAD_STREAM_UNLOCK(pad);
  return false;
}

void look_upstream(GstPad* sink, int& budget, const Visit& visit);

/// The sink pads that SRC's buffers come from. A ghost pad's is the inside of it.
void look_behind(GstPad* src, int& budget, const Visit& visit) {
  GstIterator* links = gst_pad_iterate_internal_links(src);
  if (!links) return;
  GValue item = G_VALUE_INIT;
  while (gst_iterator_next(links, &item) == GST_ITERATOR_OK) {
    auto* sink = GST_PAD(g_value_get_object(&item));
    if (visit(sink)) look_upstream(sink, budget, visit);
    g_value_reset(&item);
  }
  g_value_unset(&item);
  gst_iterator_free(links);
}

void look_upstream(GstPad* sink, int& budget, const Visit& visit) {
  if (--budget < 0) return;
  GstPad* src = gst_pad_get_peer(sink);
  if (!src) return;
  look_behind(src, budget, visit);
  gst_object_unref(src);
}

/// Null for the inside of a ghost pad. Not owned: to be compared while the graph stands.
const GstElement* element_of(GstPad* pad, bool* several_sources) {
  GstElement* element = gst_pad_get_parent_element(pad);
  if (!element) return nullptr;
  GST_OBJECT_LOCK(element);
  *several_sources = element->numsrcpads > 1;
  GST_OBJECT_UNLOCK(element);
  gst_object_unref(element);
  return element;
}

}  // namespace

bool is_held_back(GstPad* pad) {
  int budget = kMostPads;
  bool held_back = false;
  look_upstream(pad, budget, [&held_back](GstPad* sink) {
    bool several = false;
    if (!is_busy(sink) || !element_of(sink, &several)) return true;
    held_back = held_back || several;
    return false;
  });
  return held_back;
}

bool have_one_thread(GstPad* first, GstPad* second) {
  std::set<const GstElement*> of_first;
  bool several = false;
  int budget = kMostPads;
  look_upstream(first, budget, [&](GstPad* sink) {
    if (is_busy(sink)) of_first.insert(element_of(sink, &several));
    return true;
  });
  of_first.erase(nullptr);
  bool found = false;
  budget = kMostPads;
  look_upstream(second, budget, [&](GstPad* sink) {
    found = found || (is_busy(sink) && of_first.contains(element_of(sink, &several)));
    return !found;
  });
  return found;
}

}  // namespace latentsync
