#include "examples/transcode/batch.h"

#include "examples/transcode/input_file.h"
#include "examples/transcode/list_file.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sstream>
#include <string_view>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 12> kVideoExtensions = {".mp4",  ".mov", ".m4v", ".mkv",
                                                               ".webm", ".avi", ".mpg", ".mpeg",
                                                               ".ts",   ".mts", ".flv", ".wmv"};

bool is_video(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return char(std::tolower(letter)); });
  return std::find(kVideoExtensions.begin(), kVideoExtensions.end(), extension) !=
         kVideoExtensions.end();
}

std::vector<Clip> from_folder(const fs::path& folder) {
  std::vector<Clip> clips;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && is_video(entry.path())) {
      clips.push_back({.input = entry.path().string()});
    }
  }
  std::sort(clips.begin(), clips.end(),
            [](const Clip& one, const Clip& other) { return one.input < other.input; });
  return clips;
}

/// The folder from which relative names in LIST count: a pipe has none.
fs::path folder_of(const fs::path& list) {
  std::error_code ignored;
  return fs::is_regular_file(list, ignored) ? list.parent_path() : fs::path();
}

std::string beside(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  std::error_code ignored;
  const bool there = fs::exists(fs::symlink_status(path, ignored));
  return name.empty() || (!there && is_uri(name)) ? name : path.string();
}

std::vector<Clip> from_list(const fs::path& list) {
  const fs::path folder = folder_of(list);
  std::vector<Clip> clips;
  for (const std::string& line : list_lines(list)) {
    std::vector<std::string> names;
    std::istringstream columns(line);
    for (std::string name; std::getline(columns, name, '\t');) {
      names.push_back(beside(folder, name));
    }
    names.resize(3);
    clips.push_back({.input = names[0], .audio = names[1], .sound = names[2]});
  }
  return clips;
}

}  // namespace

std::vector<Clip> batch_clips(const std::string& from, const std::string& output_folder) {
  std::error_code failure;
  std::vector<Clip> clips = fs::is_directory(from, failure) ? from_folder(from) : from_list(from);
  if (clips.empty()) {
    throw Problem("--batch " + from + ": there is no video in it");
  }
  std::map<std::string, std::string> inputs;
  for (Clip& clip : clips) {
    const std::string name = fs::path(clip.input).stem().string() + ".mp4";
    const auto [other, first] = inputs.emplace(name, clip.input);
    if (!first) {
      throw Problem("--batch: " + other->second + " and " + clip.input +
                    " would both be written to " + name +
                    "; rename one, or put them in batches with different -o folders");
    }
    clip.output = (fs::path(output_folder) / name).string();
  }
  return clips;
}

}  // namespace latentsync::transcode
