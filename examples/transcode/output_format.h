#pragma once

#include "examples/transcode/handles.h"

#include <gst/pbutils/encoding-profile.h>
#include <string>

namespace latentsync::transcode {

struct UnrefProfile {
  void operator()(GstEncodingProfile* profile) const { gst_encoding_profile_unref(profile); }
};
using ProfilePtr = std::unique_ptr<GstEncodingProfile, UnrefProfile>;

/// How a file with PATH's extension is written (docs/transcode.md has the table). The frame rate is
/// left as it is, variable or not. Throws Problem: an extension that is not known, an encoder that
/// is not installed.
ProfilePtr profile_for(const std::string& path);

/// What a lossless encoder of PATH is to be given, as caps; null where it is not lossless.
/// Encodebin's own conversion would dither.
const char* lossless_caps(const std::string& path);

/// Whether its pictures have an even width and height only.
bool takes_even_sizes_only(const std::string& path);

}  // namespace latentsync::transcode
