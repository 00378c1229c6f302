#pragma once

#include <gst/gst.h>

namespace latentsync::transcode {

/// Whether a task of a source in BIN, or of what pulls from one, is still running. The tasks of
/// queues, which only hand on what was read, do not count.
bool is_reading(GstBin* bin);

}  // namespace latentsync::transcode
