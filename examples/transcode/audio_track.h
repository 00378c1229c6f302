#pragma once

#include <string>
#include <vector>

namespace latentsync::transcode {

/// One of the sounds of a file.
struct AudioTrack {
  std::string stream;    ///< GStreamer's name of it
  std::string language;  ///< a code as the file has it ("en", "deu"); empty: the file does not say
};

/// The index of the track of FILE that WISH names: a number from 1, or a language as code or
/// English name; of several in one language the first. Throws Problem: there is none such.
size_t find_track(const std::vector<AudioTrack>& tracks, const std::string& wish,
                  const std::string& file);

/// "audio track 2 of 3 (French) of FILE is used" for the track with that index; empty where there
/// is no other one.
std::string taken_track(const std::vector<AudioTrack>& tracks, size_t index,
                        const std::string& file);

}  // namespace latentsync::transcode
