#include "examples/transcode/audio_track.h"

#include "examples/transcode/problem.h"

#include <algorithm>
#include <charconv>
#include <gst/tag/tag.h>

namespace latentsync::transcode {
namespace {

/// The same code for every way to write one language: "en" for "eng" and "en-GB".
std::string short_code(const std::string& language) {
  const std::string code = language.substr(0, language.find_first_of("-_"));
  const gchar* found = gst_tag_get_language_code_iso_639_1(code.c_str());
  return found == nullptr ? code : found;
}

/// The English name of LANGUAGE; of one that is not known, its code; empty for none.
std::string language_name(const std::string& language) {
  const std::string code = short_code(language);
  if (code.empty() || code == "und") {
    return "";
  }
  const gchar* name = gst_tag_get_language_name(code.c_str());
  return name == nullptr ? code : name;
}

bool equal(const std::string& one, const std::string& other) {
  return g_ascii_strcasecmp(one.c_str(), other.c_str()) == 0;
}

bool is_in(const AudioTrack& track, const std::string& language) {
  return !track.language.empty() && (equal(short_code(track.language), short_code(language)) ||
                                     equal(language_name(track.language), language));
}

std::string with_language(size_t index, const std::string& after, const AudioTrack& track) {
  const std::string name = language_name(track.language);
  return std::to_string(index + 1) + after + (name.empty() ? "" : " (" + name + ")");
}

}  // namespace

size_t find_track(const std::vector<AudioTrack>& tracks, const std::string& wish,
                  const std::string& file) {
  size_t number = 0;
  const auto [end, code] = std::from_chars(wish.data(), wish.data() + wish.size(), number);
  const bool numbered = code == std::errc() && end == wish.data() + wish.size();
  if (numbered && number >= 1 && number <= tracks.size()) {
    return number - 1;
  }
  const auto found = std::find_if(tracks.begin(), tracks.end(), [&](const AudioTrack& track) {
    return !numbered && is_in(track, wish);
  });
  if (found != tracks.end()) {
    return size_t(found - tracks.begin());
  }
  std::string all;
  for (size_t index = 0; index < tracks.size(); ++index) {
    all += index == 0 ? "" : index + 1 == tracks.size() ? " and " : ", ";
    all += with_language(index, "", tracks[index]);
  }
  throw Problem(file + ": there is no audio track " + wish +
                    (tracks.size() > 1 ? "; there are " : "; there is ") +
                    (all.empty() ? "one without a number" : all),
                kNoRetry);
}

std::string taken_track(const std::vector<AudioTrack>& tracks, size_t index,
                        const std::string& file) {
  return tracks.size() < 2
             ? ""
             : "audio track " +
                   with_language(index, " of " + std::to_string(tracks.size()), tracks[index]) +
                   " of " + file + " is used";
}

}  // namespace latentsync::transcode
