#pragma once

#include <gst/gst.h>
#include <string>

namespace latentsync::transcode {

/// Says in the MP4 or QuickTime FILE, which GStreamer has written, which part of its sound is to be
/// heard: PRIMING samples, which the encoder puts before the first one, are left out, and SOUND is
/// how long it lasts then. Players keep to it; without it the sound is late. When the file was made
/// is taken out, so that the same work gives the same bytes. Nothing is moved or made longer. Throws
/// Problem, with NAME in it: FILE cannot be written or is not as expected.
void write_edit_list(const std::string& file, const std::string& name, guint64 priming,
                     GstClockTime sound);

}  // namespace latentsync::transcode
