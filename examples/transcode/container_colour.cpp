#include "examples/transcode/container_colour.h"

namespace latentsync::transcode {
namespace {

std::string factory_of(GstElement* element) {
  GstElementFactory* factory = gst_element_get_factory(element);
  return factory == nullptr ? "" : GST_OBJECT_NAME(factory);
}

/// The caps in a CAPS event; null: another event.
GstCaps* caps_in(GstPadProbeInfo* info) {
  GstCaps* caps = nullptr;
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    gst_event_parse_caps(event, &caps);
  }
  return caps;
}

const gchar* colorimetry_in(const GstCaps* caps) {
  return gst_structure_get_string(gst_caps_get_structure(caps, 0), "colorimetry");
}

}  // namespace

void ContainerColour::watch_element(GstElement* element) {
  const std::string factory = factory_of(element);
  if (factory == "h264parse" || factory == "h265parse") {
    const PadPtr pad(gst_element_get_static_pad(element, "sink"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_container_caps, this,
                      nullptr);
  }
}

void ContainerColour::watch_coded(GstPad* pad) {
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_coded_caps, this, nullptr);
}

GstPadProbeReturn ContainerColour::on_container_caps(GstPad* pad, GstPadProbeInfo* info,
                                                     gpointer data) {
  const GstCaps* caps = caps_in(info);
  const gchar* text = caps == nullptr ? nullptr : colorimetry_in(caps);
  if (text == nullptr) {
    return GST_PAD_PROBE_OK;
  }
  const PadPtr peer(gst_pad_get_peer(pad));
  const ElementPtr demuxer(peer ? gst_pad_get_parent_element(peer.get()) : nullptr);
  if (!demuxer || factory_of(demuxer.get()) != "qtdemux") {
    return GST_PAD_PROBE_OK;
  }
  auto* self = static_cast<ContainerColour*>(data);
  {
    const std::lock_guard lock(self->mutex_);
    self->of_container_ = text;
  }
  const CapsPtr without(gst_caps_copy(caps));
  gst_structure_remove_field(gst_caps_get_structure(without.get(), 0), "colorimetry");
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  GstEvent* changed = gst_event_new_caps(without.get());
  gst_event_set_seqnum(changed, gst_event_get_seqnum(event));
  gst_event_unref(event);
  info->data = changed;
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn ContainerColour::on_coded_caps(GstPad*, GstPadProbeInfo* info, gpointer data) {
  if (const GstCaps* caps = caps_in(info)) {
    auto* self = static_cast<ContainerColour*>(data);
    const std::lock_guard lock(self->mutex_);
    self->stream_has_own_ = colorimetry_in(caps) != nullptr;
  }
  return GST_PAD_PROBE_OK;
}

std::string ContainerColour::colorimetry() const {
  const std::lock_guard lock(mutex_);
  return stream_has_own_ ? "" : of_container_;
}

}  // namespace latentsync::transcode
