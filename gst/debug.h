#pragma once

#include <gst/gst.h>

/// The element's debug category, "latentsync", for every file that logs.
GST_DEBUG_CATEGORY_EXTERN(latentsync_debug);
#define GST_CAT_DEFAULT latentsync_debug
