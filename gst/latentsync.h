#pragma once

#include <gst/base/gstaggregator.h>

/// The element: a GstAggregator with the pads video_sink, audio_sink and src.
G_BEGIN_DECLS

#define GST_TYPE_LATENTSYNC (gst_latentsync_get_type())
G_DECLARE_FINAL_TYPE(GstLatentsync, gst_latentsync, GST, LATENTSYNC, GstAggregator)

/// Has aggregate() called soon (gst/latentsync_pad.h).
void gst_latentsync_wake(GstLatentsync* self);

/// GstAggregator's own handling of an event.
gboolean gst_latentsync_base_sink_event(GstLatentsync* self, GstAggregatorPad* pad,
                                        GstEvent* event);

GST_ELEMENT_REGISTER_DECLARE(latentsync);

G_END_DECLS
