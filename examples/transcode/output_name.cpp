#include "examples/transcode/output_name.h"

#include "examples/transcode/problem.h"

#include <filesystem>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr char kStem[] = "{stem}";

std::string part_of(const std::string& name, const std::string& given, const NameParts& parts) {
  if (name == "stem") {
    return parts.stem;
  }
  if (name == "folder") {
    return parts.folder.empty() ? "." : parts.folder;
  }
  if (name == "preset") {
    return parts.preset.empty() ? "default" : parts.preset;
  }
  if (name != "seed") {
    throw Problem(given + ": {" + name +
                      "} is not known; there are {stem}, {folder}, {preset} and {seed}, and {{ "
                      "for a {",
                  kUsage);
  }
  if (parts.seed.empty()) {
    throw Problem(given +
                      ": the seed is drawn anew for each run and not known yet; choose one with "
                      "--set seed=NUMBER",
                  kUsage);
  }
  return parts.seed;
}

}  // namespace

std::string output_name(const std::string& option, const std::string& pattern,
                        const NameParts& parts) {
  std::string name;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern.compare(at, 2, "{{") == 0) {
      ++at;
    } else if (pattern[at] == '{') {
      const size_t end = pattern.find('}', at);
      const size_t length = end == std::string::npos ? end : end - at - 1;
      name += part_of(pattern.substr(at + 1, length), option + " " + pattern, parts);
      at = end == std::string::npos ? pattern.size() : end;
      continue;
    }
    name += pattern[at];
  }
  return pattern.find('{') == std::string::npos ? name : fs::path(name).lexically_normal().string();
}

bool names_each_clip(const std::string& pattern) {
  return pattern.find(kStem) != std::string::npos;
}

std::string root_of_outputs(const std::string& pattern) {
  const size_t part = names_each_clip(pattern) ? pattern.find('{') : pattern.size();
  return part == pattern.size() ? pattern
                                : fs::path(pattern.substr(0, part)).parent_path().string();
}

std::string pattern_of_batch(const std::string& pattern, const std::string& extension) {
  return names_each_clip(pattern)
             ? pattern
             : (fs::path(pattern) / "{folder}" / ("{stem}" + extension)).string();
}

std::string stem_of(const std::string& input) {
  return input == "-" ? "stdin" : fs::path(input).stem().string();
}

}  // namespace latentsync::transcode
