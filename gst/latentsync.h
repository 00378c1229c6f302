#pragma once

#include <gst/gst.h>

/// The element: a GstElement with the pads video_sink, audio_sink and src.
G_BEGIN_DECLS

#define GST_TYPE_LATENTSYNC (gst_latentsync_get_type())
G_DECLARE_FINAL_TYPE(GstLatentsync, gst_latentsync, GST, LATENTSYNC, GstElement)

GST_ELEMENT_REGISTER_DECLARE(latentsync);

G_END_DECLS
