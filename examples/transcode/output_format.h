#pragma once

#include "examples/transcode/handles.h"

#include <gst/pbutils/encoding-profile.h>
#include <gst/video/video.h>
#include <span>
#include <string>

namespace latentsync::transcode {

struct UnrefProfile {
  void operator()(GstEncodingProfile* profile) const { gst_encoding_profile_unref(profile); }
};
using ProfilePtr = std::unique_ptr<GstEncodingProfile, UnrefProfile>;

/// What is to be written: the extension of PATH chooses the container, and it or PROFILE the codec.
struct Target {
  std::string path;
  std::string profile;  ///< empty: the extension's own
};

/// Throws Problem: an extension or profile that is not known, or one without the other; an encoder
/// that is not installed.
void check_output_format(const Target& target);

/// How TARGET is written (docs/transcode.md has the table) whose frames have the pixel format
/// GIVEN. The frame rate is left as it is, variable or not. Throws Problem: as above.
ProfilePtr profile_for(const Target& target, GstVideoFormat given, bool with_sound = true);

/// The pixel format that the encoder gets.
GstVideoFormat encoded_format(const Target& target, GstVideoFormat given);

/// What an encoder of TARGET that keeps depth and chroma is to be given, as caps; empty for others.
/// Encodebin's own conversion would dither.
std::string exact_caps(const Target& target, GstVideoFormat given);

/// What becomes of the pixels of a video that was decoded to DECODED, reaches the encoder from
/// GIVEN and is not as it was; else empty.
std::string lost_pixels(const Target& target, GstVideoFormat decoded, GstVideoFormat given);

/// What a sound codec can take.
struct SoundLimits {
  const char* codec = "";          ///< its name, for the user
  std::span<const guint64> masks;  ///< layouts, as plan_channels() takes them
  int highest_rate = 0;            ///< Hz; what is above is resampled
};
SoundLimits sound_limits(const std::string& path);

/// Says in FILE, which is written and will be called PATH, what its container needs said: SOUND is
/// how long its sound is to last. Throws Problem.
void complete(const std::string& file, const std::string& path, GstClockTime sound);

/// Sets ELEMENT, an encoder or muxer of the profile, up for SAMPLES of sound, and so that the same
/// work gives the same bytes.
void adapt_encoder(GstElement* element, guint64 samples);

/// Whether its pictures have an even width and height only.
bool takes_even_sizes_only(const Target& target, GstVideoFormat given);

/// Whether its pictures can be marked as two fields each.
bool marks_fields(const Target& target);

}  // namespace latentsync::transcode
