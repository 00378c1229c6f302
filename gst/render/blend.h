#pragma once

#include "core/engine.h"

#include <gst/video/video.h>
#include <optional>

namespace latentsync {

/// EDITED becomes a mixture of ORIGINAL, a frame of the same format, and itself: WEIGHT of its own
/// samples, 0 to 1. Samples that are the same in both stay as they are. EDITED must be writable.
/// Errors: kUnreadable.
std::optional<Failure> blend(GstBuffer* original, GstBuffer* edited, const GstVideoInfo& format,
                             double weight);

}  // namespace latentsync
