#include "gst/output/topology.h"

#include "gst/handles.h"

#include <functional>
#include <set>
#include <utility>
#include <vector>

namespace latentsync {
namespace {

/// Pads that are looked at, more than any graph has.
constexpr int kMostPads = 512;

/// The pads on the other side of PAD's element, or of a ghost pad.
std::vector<PadPtr> linked_inside(GstPad* pad) {
  std::vector<PadPtr> result;
  GstIterator* links = gst_pad_iterate_internal_links(pad);
  if (!links) return result;
  GValue item = G_VALUE_INIT;
  for (bool more = true; more;) {
    switch (gst_iterator_next(links, &item)) {
      case GST_ITERATOR_OK:
        result.emplace_back(GST_PAD(g_value_dup_object(&item)));
        g_value_reset(&item);
        break;
      case GST_ITERATOR_RESYNC:
        result.clear();
        gst_iterator_resync(links);
        break;
      default:
        more = false;
    }
  }
  g_value_unset(&item);
  gst_iterator_free(links);
  return result;
}

/// Null for both sides of a ghost pad: its bin neither queues nor branches.
ElementPtr element_of(GstPad* pad) {
  return GST_IS_PROXY_PAD(pad) ? nullptr : ElementPtr(gst_pad_get_parent_element(pad));
}

bool has_property(GObject* object, const char* name) {
  return g_object_class_find_property(G_OBJECT_GET_CLASS(object), name) != nullptr;
}

guint64 number(GObject* object, const char* name) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_UINT64);
  g_object_get_property(object, name, &value);
  return g_value_get_uint64(&value);
}

/// Whether the element that SINK belongs to is a queue, and full. A multiqueue has its levels on
/// its pads. A leaky one holds nobody up.
enum class Fill { kNoQueue, kRoom, kFull };
Fill fill_of(GstElement* element, GstPad* sink) {
  GObject* limits = G_OBJECT(element);
  GObject* levels = has_property(limits, "current-level-buffers") ? limits : G_OBJECT(sink);
  if (!has_property(limits, "max-size-buffers") || !has_property(levels, "current-level-buffers")) {
    return Fill::kNoQueue;
  }
  gint leaky = 0;
  if (has_property(limits, "leaky")) g_object_get(limits, "leaky", &leaky, nullptr);
  if (leaky != 0) return Fill::kRoom;
  for (const char* what : {"buffers", "bytes", "time"}) {
    const guint64 most = number(limits, (std::string("max-size-") + what).c_str());
    if (most > 0 && number(levels, (std::string("current-level-") + what).c_str()) >= most) {
      return Fill::kFull;
    }
  }
  return Fill::kRoom;
}

/// The first full queue downstream of SRC; empty without any.
std::string full_queue_behind(GstPad* src, int& budget) {
  const PadPtr sink(gst_pad_get_peer(src));
  if (!sink || --budget < 0) return {};
  if (const ElementPtr element = element_of(sink.get())) {
    const Fill fill = fill_of(element.get(), sink.get());
    if (fill == Fill::kFull) return GST_OBJECT_NAME(element.get());
    if (fill == Fill::kRoom) return {};
  }
  for (const PadPtr& next : linked_inside(sink.get())) {
    std::string found = full_queue_behind(next.get(), budget);
    if (!found.empty()) return found;
  }
  return {};
}

/// Calls VISIT for the source pads that SINK's buffers come from, the nearest ones first, until it
/// returns true.
bool look_upstream(GstPad* sink, int& budget, const std::function<bool(GstPad*)>& visit) {
  const PadPtr src(gst_pad_get_peer(sink));
  if (!src || --budget < 0) return false;
  if (visit(src.get())) return true;
  for (const PadPtr& next : linked_inside(src.get())) {
    if (look_upstream(next.get(), budget, visit)) return true;
  }
  return false;
}

std::vector<PadPtr> other_source_pads(GstElement* element, GstPad* pad) {
  std::vector<PadPtr> result;
  GST_OBJECT_LOCK(element);
  for (GList* link = element->srcpads; link; link = link->next) {
    if (link->data != pad) result.emplace_back(GST_PAD(gst_object_ref(link->data)));
  }
  GST_OBJECT_UNLOCK(element);
  return result;
}

}  // namespace

std::optional<Blockage> find_blockage(GstPad* pad) {
  int budget = kMostPads;
  std::optional<Blockage> found;
  look_upstream(pad, budget, [&](GstPad* src) {
    const ElementPtr element = element_of(src);
    // A multiqueue has several source pads, too, but each has a sink pad and a queue of its own.
    if (!element || linked_inside(src).empty() || fill_of(element.get(), src) != Fill::kNoQueue) {
      return false;
    }
    for (const PadPtr& other : other_source_pads(element.get(), src)) {
      std::string queue = full_queue_behind(other.get(), budget);
      if (queue.empty()) continue;
      found = {GST_OBJECT_NAME(element.get()), std::move(queue)};
      return true;
    }
    return false;
  });
  return found;
}

bool is_shared(GstPad* pad) {
  int budget = kMostPads;
  return look_upstream(pad, budget, [](GstPad* src) {
    const ElementPtr element = element_of(src);
    if (!element || fill_of(element.get(), src) != Fill::kNoQueue) return false;
    for (const PadPtr& other : other_source_pads(element.get(), src)) {
      if (gst_pad_is_linked(other.get())) return true;
    }
    return false;
  });
}

bool have_common_source(GstPad* first, GstPad* second) {
  std::set<ElementPtr> of_first;
  int budget = kMostPads;
  look_upstream(first, budget, [&](GstPad* src) {
    if (ElementPtr element = element_of(src)) of_first.insert(std::move(element));
    return false;
  });
  budget = kMostPads;
  return look_upstream(second, budget, [&](GstPad* src) {
    const ElementPtr element = element_of(src);
    for (const ElementPtr& other : of_first) {
      if (element && other == element) return true;
    }
    return false;
  });
}

}  // namespace latentsync
