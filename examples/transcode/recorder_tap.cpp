#include "examples/transcode/recorder_tap.h"

namespace latentsync::transcode {
namespace {

CapsPtr caps_of(GstPad* pad) { return CapsPtr(gst_pad_get_current_caps(pad)); }

template <void (Recorder::*tell)(GstBuffer*, const GstVideoInfo&)>
GstPadProbeReturn on_frame(GstPad* pad, GstPadProbeInfo* probe, gpointer recorder) {
  const CapsPtr caps = caps_of(pad);
  GstVideoInfo info;
  if (caps && gst_video_info_from_caps(&info, caps.get())) {
    (static_cast<Recorder*>(recorder)->*tell)(GST_PAD_PROBE_INFO_BUFFER(probe), info);
  }
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn on_speech(GstPad* pad, GstPadProbeInfo* probe, gpointer recorder) {
  const CapsPtr caps = caps_of(pad);
  GstAudioInfo info;
  if (caps && gst_audio_info_from_caps(&info, caps.get())) {
    static_cast<Recorder*>(recorder)->speech(GST_PAD_PROBE_INFO_BUFFER(probe), info);
  }
  return GST_PAD_PROBE_OK;
}

GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer recorder) {
  static_cast<Recorder*>(recorder)->message(message);
  return GST_BUS_PASS;
}

}  // namespace

RecorderTap::RecorderTap(Recorder& recorder, GstElement* element, GstBus* bus)
    : recorder_(recorder), bus_(GST_BUS(gst_object_ref(bus))) {
  add(element, "video_sink", on_frame<&Recorder::frame_in>);
  add(element, "src", on_frame<&Recorder::frame_out>);
  add(element, "audio_sink", on_speech);
  // In the thread that posts: what is said of a window is known before its frames leave.
  gst_bus_set_sync_handler(bus_.get(), on_message, &recorder_, nullptr);
}

RecorderTap::~RecorderTap() {
  gst_bus_set_sync_handler(bus_.get(), nullptr, nullptr, nullptr);
  for (const Probe& probe : probes_) {
    gst_pad_remove_probe(probe.pad.get(), probe.id);
  }
}

void RecorderTap::add(GstElement* element, const char* pad, GstPadProbeCallback callback) {
  PadPtr found(gst_element_get_static_pad(element, pad));
  const gulong id =
      gst_pad_add_probe(found.get(), GST_PAD_PROBE_TYPE_BUFFER, callback, &recorder_, nullptr);
  probes_.push_back({std::move(found), id});
}

}  // namespace latentsync::transcode
