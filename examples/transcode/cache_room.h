#pragma once

#include <gst/gst.h>
#include <string>

namespace latentsync::transcode {

/// What is said where the windows of FRAMES frames, with one face in each, take more than the cache
/// of ELEMENT may: a job of that length would not find its last windows when it starts again.
/// Empty where they fit. To be asked when the model is loaded.
std::string cache_room(GstElement* element, guint64 frames);

}  // namespace latentsync::transcode
