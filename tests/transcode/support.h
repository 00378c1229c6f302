#pragma once

#include "tests/gst/process.h"

#include <filesystem>
#include <string>
#include <vector>

/// The command line as its users run it: a process, files in, files out, decoded with ffmpeg.
namespace latentsync::test {

/// Made by tests/media/make.sh, once.
std::string media(const std::string& name);
/// A sample clip of examples/media.
std::string sample(const std::string& name);

/// An empty folder of this test's own.
std::filesystem::path empty_folder();

/// Runs latentsync-transcode with the fake engine, gives it a minute, and fails the test where the
/// run does not keep the house rule (house_rule.h). ENVIRONMENT: words for a shell before the
/// command.
Finished transcode(const std::string& arguments, const std::string& environment = "");
/// The same with the real engine and the demo model, without a cache.
Finished transcode_really(const std::string& arguments);
/// What the fake engine is told so that it edits nothing.
extern const char kNoEdit[];

/// Seconds at which each frame of FILE is shown.
std::vector<double> frame_times(const std::string& file);
/// A hash of each frame's pixels.
std::vector<std::string> frame_hashes(const std::string& file);
/// A hash of its sound as 16 bit samples.
std::string sound_hash(const std::string& file, const std::string& filter = "anull");
/// ffprobe's ENTRIES of FILE's stream ("v", "a"), with commas between.
std::string probe(const std::string& file, const std::string& stream, const std::string& entries);

/// Fails the test unless OUTPUT has INPUT's frames at INPUT's times. BASE: whether times count from
/// the first frame.
void expect_same_times(const std::string& input, const std::string& output, bool base = false);

}  // namespace latentsync::test
