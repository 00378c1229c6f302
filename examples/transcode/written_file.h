#pragma once

#include <glib.h>
#include <string>

namespace latentsync::transcode {

/// Frames of video that FILE, which is to be NAME, holds: those in the index of an .mp4 or .mov,
/// else by reading it back, without decoding. Muxers drop what they cannot place, without an error.
/// Throws Problem: it cannot be read.
guint64 frames_in_file(const std::string& file, const std::string& name);

/// Throws Problem unless FILE holds FRAMES.
void check_frames(const std::string& file, const std::string& name, guint64 frames);

}  // namespace latentsync::transcode
