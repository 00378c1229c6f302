#pragma once

#include <gst/gst.h>
#include <optional>
#include <string>

namespace latentsync::transcode {

/// How much later than the sound the video begins in FILE, by the timestamps of an MPEG transport
/// stream, in ns; nothing: FILE is no such stream, or has not both in its first megabytes.
/// tsdemux of GStreamer 1.22 lets both begin together where more than a second lies between them.
std::optional<GstClockTimeDiff> video_delay_of_transport_stream(const std::string& file);

}  // namespace latentsync::transcode
