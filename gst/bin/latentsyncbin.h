#pragma once

#include <gst/gst.h>

/// The bin: a GstBin with one sink and one source pad, which reads the speech itself.
G_BEGIN_DECLS

#define GST_TYPE_LATENTSYNC_BIN (gst_latentsync_bin_get_type())
G_DECLARE_FINAL_TYPE(GstLatentsyncBin, gst_latentsync_bin, GST, LATENTSYNC_BIN, GstBin)

GST_ELEMENT_REGISTER_DECLARE(latentsyncbin);

G_END_DECLS
