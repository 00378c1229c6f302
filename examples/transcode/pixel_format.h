#pragma once

#include <gst/video/video.h>
#include <string>

namespace latentsync::transcode {

/// What a pixel format can hold, for people: "4:2:2 10 bit", "RGB 8 bit with alpha".
std::string describe(GstVideoFormat format);

/// Whether ENCODED has all that FORMAT has: depth, chroma, alpha, RGB.
bool keeps(GstVideoFormat encoded, GstVideoFormat format);

bool has_alpha(GstVideoFormat format);

/// The format among those that FFV1 is written from in which nothing of FORMAT is lost: the same
/// chroma, alpha and RGB, 8 or 10 bits.
GstVideoFormat format_for_ffv1(GstVideoFormat format);

/// The same for ProRes, where FORMAT has 10 bits and finer chroma than 4:2:0, at 4:4:4 alpha too;
/// GST_VIDEO_FORMAT_UNKNOWN otherwise.
GstVideoFormat format_for_prores(GstVideoFormat format);

}  // namespace latentsync::transcode
