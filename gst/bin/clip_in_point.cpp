#include "gst/bin/clip_in_point.h"

#include "gst/handles.h"

#include <cstring>

namespace latentsync {
namespace {

/// Effects that lie upon each other.
constexpr int kMostOperations = 64;

/// GES and its composition elements (nle) are no dependency: the names of their types are.
bool is_a(gpointer object, const char* type) {
  return object && std::strcmp(G_OBJECT_TYPE_NAME(object), type) == 0;
}

int64_t in_point_of(GstElement* object) {
  if (!g_object_class_find_property(G_OBJECT_GET_CLASS(object), "inpoint")) return 0;
  guint64 value = 0;
  g_object_get(object, "inpoint", &value, nullptr);
  return GST_CLOCK_TIME_IS_VALID(value) ? static_cast<int64_t>(value) : 0;
}

/// The operation that FILTER is in; null without one.
ElementPtr operation_around(GstElement* filter) {
  GstObject* object = gst_object_get_parent(GST_OBJECT(filter));
  while (object && !is_a(object, "NleOperation")) {
    GstObject* parent = gst_object_get_parent(object);
    gst_object_unref(object);
    object = parent;
  }
  return ElementPtr(object ? GST_ELEMENT(object) : nullptr);
}

/// What feeds the operation's first input.
ElementPtr upstream_of(GstElement* operation) {
  PadPtr sink;
  GST_OBJECT_LOCK(operation);
  if (operation->sinkpads) sink.reset(GST_PAD(gst_object_ref(operation->sinkpads->data)));
  GST_OBJECT_UNLOCK(operation);
  const PadPtr peer(sink ? gst_pad_get_peer(sink.get()) : nullptr);
  return ElementPtr(peer ? gst_pad_get_parent_element(peer.get()) : nullptr);
}

}  // namespace

int64_t clip_in_point(GstElement* filter) {
  ElementPtr object = operation_around(filter);
  if (!object || in_point_of(object.get()) != 0) return 0;
  for (int i = 0; i < kMostOperations && is_a(object.get(), "NleOperation"); ++i) {
    object = upstream_of(object.get());
  }
  return is_a(object.get(), "NleSource") ? in_point_of(object.get()) : 0;
}

}  // namespace latentsync
