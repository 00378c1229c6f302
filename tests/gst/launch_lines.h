#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace latentsync::test {

/// A pipeline as the documentation has it.
struct LaunchLine {
  std::string file;                  ///< where it stands
  std::string text;                  ///< without the program's name and line breaks
  std::vector<std::string> written;  ///< video files that it writes
};

/// All `gst-launch-1.0 ...` lines of README.md, docs/*.md and the comments of gst/*.cpp that have
/// latentsync in them.
std::vector<LaunchLine> documented_launch_lines(const std::filesystem::path& root);

/// The line with in.mp4 and speech.wav of FOLDER in place of the files that it reads, a fake model,
/// and names in FOLDER for what it writes.
LaunchLine with_small_media(const LaunchLine& line, const std::filesystem::path& folder);

}  // namespace latentsync::test
