#pragma once

#include <gst/gst.h>
#include <memory>

/// Owners of GStreamer's reference-counted objects.
namespace latentsync {

struct MiniObjectUnref {
  void operator()(void* object) const { gst_mini_object_unref(GST_MINI_OBJECT_CAST(object)); }
};
struct ObjectUnref {
  void operator()(void* object) const { gst_object_unref(object); }
};

using BufferPtr = std::unique_ptr<GstBuffer, MiniObjectUnref>;
using CapsPtr = std::unique_ptr<GstCaps, MiniObjectUnref>;
using EventPtr = std::unique_ptr<GstEvent, MiniObjectUnref>;
using QueryPtr = std::unique_ptr<GstQuery, MiniObjectUnref>;
using ClockPtr = std::unique_ptr<GstClock, ObjectUnref>;
using PadPtr = std::unique_ptr<GstPad, ObjectUnref>;
using ElementPtr = std::unique_ptr<GstElement, ObjectUnref>;
using PoolPtr = std::unique_ptr<GstBufferPool, ObjectUnref>;

}  // namespace latentsync
