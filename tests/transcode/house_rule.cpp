#include "tests/transcode/house_rule.h"

#include <array>
#include <regex>
#include <sstream>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

enum Status { kWhole = 0, kTimedOut = 124, kHungUp = 129, kInterrupted = 130, kTerminated = 143 };

/// What GStreamer or we say where nobody thought of the cause: of no use to a user.
constexpr std::array kEmptyWords = {
    "Internal data stream error",
    "negotiation problem",
    "this is a bug",
    "Could not multiplex",
    "Unable to allocate",
    "GStreamer error",
    "GStreamer encountered a general",
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

/// Size, age and identity: enough to see that nobody wrote to it.
std::string fingerprint(const fs::path& file) {
  struct stat found {};
  if (::lstat(file.c_str(), &found) != 0) {
    return "";
  }
  std::ostringstream text;
  text << found.st_dev << ' ' << found.st_ino << ' ' << found.st_size << ' ' << found.st_mtim.tv_sec
       << '.' << found.st_mtim.tv_nsec;
  return text.str();
}

/// Whether NAME is that of a file on its way to be OUTPUT.
bool is_partial(const std::string& name, const std::string& output) {
  return name != output && (name.starts_with(output) || name.starts_with("." + output) ||
                            name.find(".partial") != std::string::npos);
}

/// Messages of GLib and GStreamer on standard error, and what a sanitizer says.
bool is_of_a_library(const std::string& line) {
  static const std::regex pattern(
      R"((-|\()(CRITICAL|WARNING|ERROR)\b.*\*\*|\*\* \(|GLib|Sanitizer|runtime error:)");
  return std::regex_search(line, pattern);
}

std::optional<size_t> announced_frames(const std::string& text) {
  static const std::regex pattern(R"(: (\d+) frames(, [\d.]+ frames/s)?\s*$)");
  std::optional<size_t> found;
  for (const std::string& line : lines_of(text)) {
    if (std::smatch match; std::regex_search(line, match, pattern)) {
      found = std::stoul(match[1]);
    }
  }
  return found;
}

/// What ffprobe has against FILE as a video of FRAMES frames; empty: nothing.
std::string against_output(const fs::path& file, std::optional<size_t> frames) {
  if (!fs::is_regular_file(file)) {
    return "there is no output\n";
  }
  const Finished probed = run_process(
      "ffprobe -v error -count_packets -show_entries stream=codec_type,nb_read_packets -of "
      "csv=p=0 '" +
      file.string() + "'");
  std::string complaints;
  std::optional<size_t> found;
  for (const std::string& line : lines_of(probed.output)) {
    if (line.starts_with("video,")) {
      found = std::strtoul(line.c_str() + 6, nullptr, 10);
    } else if (!line.starts_with("audio,")) {
      complaints += "ffprobe: " + line + "\n";
    }
  }
  if (probed.status != 0 || found.value_or(0) == 0) {
    return complaints + "the output does not open or has no frames\n";
  }
  if (frames && found != frames) {
    complaints += "the output has " + std::to_string(*found) + " frames and should have " +
                  std::to_string(*frames) + "\n";
  }
  return complaints;
}

std::string against_words(const std::string& text) {
  std::string complaints;
  std::string said;
  int count = 0;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("latentsync-transcode: ")) {
      said = line;
      ++count;
    }
  }
  if (count != 1) {
    complaints += std::to_string(count) + " lines say why there is no output\n";
  }
  for (const char* words : kEmptyWords) {
    if (said.find(words) != std::string::npos) {
      complaints += "this helps nobody: " + said + "\n";
    }
  }
  return complaints;
}

}  // namespace

HouseRule::HouseRule(fs::path output) : output_(std::move(output)), before_(entries()) {}

HouseRule::Entries HouseRule::entries() const {
  Entries found;
  if (output_.empty()) {
    return found;
  }
  const fs::path parent = output_.has_parent_path() ? output_.parent_path() : fs::path(".");
  for (const fs::path& folder : {parent, output_}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (entry.path() == output_ ||
          is_partial(entry.path().filename(), output_.filename().string())) {
        found[entry.path()] = fingerprint(entry.path());
      }
    }
  }
  return found;
}

std::string HouseRule::broken(const Finished& finished, std::optional<size_t> frames) const {
  std::string complaints;
  const Entries after = entries();
  const bool batch = fs::is_directory(output_);
  for (const auto& [path, state] : after) {
    if (path != output_ && !before_.contains(path)) {
      complaints += path.filename().string() + " is left\n";
    }
  }
  for (const std::string& line : lines_of(finished.output)) {
    if (is_of_a_library(line)) {
      complaints += "a library speaks: " + line + "\n";
    }
  }
  const bool stopped = finished.status == kHungUp || finished.status == kInterrupted ||
                       finished.status == kTerminated;
  if (finished.status == kTimedOut || finished.status == 128 + 9) {
    complaints += "it did not end\n";
  } else if (finished.status < 0 || (finished.status >= 128 && !stopped)) {
    complaints += "it ended by a signal: " + std::to_string(finished.status) + "\n";
  }
  const auto old = before_.find(output_);
  const auto now = after.find(output_);
  const bool written = now != after.end() && (old == before_.end() || old->second != now->second);
  if (batch || (output_.empty() && finished.status == kWhole)) {
    return complaints;
  }
  if (finished.status == kWhole) {
    complaints += against_output(output_, frames ? frames : announced_frames(finished.output));
  } else if (stopped && written) {
    complaints += against_output(output_, {});
  } else {
    complaints += against_words(finished.output);
    complaints += written ? "there is an output, and the exit status is not 0\n" : "";
  }
  if (old != before_.end() && now == after.end()) {
    complaints += "the older output is gone\n";
  }
  return complaints;
}

void HouseRule::check(const Finished& finished, std::optional<size_t> frames) const {
  const std::string complaints = broken(finished, frames);
  EXPECT_EQ(complaints, "") << "exit status " << finished.status << "\n" << finished.output;
}

fs::path output_of(const std::string& arguments) {
  static const std::regex pattern(R"((?:^|\s)(?:-o|--output)[\s=]\s*('[^']*'|\S+))");
  std::smatch match;
  if (!std::regex_search(arguments, match, pattern)) {
    return {};
  }
  std::string name = match[1];
  if (name.starts_with('\'')) {
    name = name.substr(1, name.size() - 2);
  }
  return name;
}

}  // namespace latentsync::test
