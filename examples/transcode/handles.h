#pragma once

#include <gst/gst.h>
#include <memory>

/// GStreamer's and GLib's objects with owners.
namespace latentsync::transcode {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
struct UnrefMini {
  void operator()(GstMiniObject* object) const { gst_mini_object_unref(object); }
  void operator()(GstBuffer* object) const { gst_buffer_unref(object); }
  void operator()(GstCaps* object) const { gst_caps_unref(object); }
  void operator()(GstSample* object) const { gst_sample_unref(object); }
  void operator()(GstMessage* object) const { gst_message_unref(object); }
  void operator()(GstEvent* object) const { gst_event_unref(object); }
};
struct FreeStructure {
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
};
struct FreeText {
  void operator()(gchar* text) const { g_free(text); }
};
struct FreeError {
  void operator()(GError* error) const { g_error_free(error); }
};

using ElementPtr = std::unique_ptr<GstElement, Unref>;
using PadPtr = std::unique_ptr<GstPad, Unref>;
using BusPtr = std::unique_ptr<GstBus, Unref>;
using BufferPtr = std::unique_ptr<GstBuffer, UnrefMini>;
using CapsPtr = std::unique_ptr<GstCaps, UnrefMini>;
using SamplePtr = std::unique_ptr<GstSample, UnrefMini>;
using MessagePtr = std::unique_ptr<GstMessage, UnrefMini>;
using EventPtr = std::unique_ptr<GstEvent, UnrefMini>;
using StructurePtr = std::unique_ptr<GstStructure, FreeStructure>;
using TextPtr = std::unique_ptr<gchar, FreeText>;
using ErrorPtr = std::unique_ptr<GError, FreeError>;

/// A pipeline that is stopped before it goes.
struct StopPipeline {
  void operator()(GstElement* pipeline) const {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
};
using PipelinePtr = std::unique_ptr<GstElement, StopPipeline>;

}  // namespace latentsync::transcode
