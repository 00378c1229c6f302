#include "examples/transcode/batch.h"

#include "examples/transcode/file_identity.h"
#include "examples/transcode/input_file.h"
#include "examples/transcode/list_file.h"
#include "examples/transcode/output_name.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
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

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Videos in FOLDER and the folders below it, but not in hidden ones or in OUTPUTS.
std::vector<Clip> from_folder(const fs::path& folder, const std::string& outputs) {
  const auto root = identify(outputs);
  const bool same = root == identify(folder.string());
  std::vector<Clip> clips;
  std::error_code failure;
  std::error_code ignored;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         failure);
  for (const fs::recursive_directory_iterator end; !failure && entry != end;
       entry.increment(failure)) {
    const fs::path& path = entry->path();
    if (entry->is_directory(ignored) &&
        (is_hidden(path) || (!same && root && identify(path.string()) == root))) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file(ignored) && is_video(path) && !is_hidden(path)) {
      clips.push_back({.input = path.string(),
                       .folder = path.parent_path().lexically_relative(folder).string()});
    }
  }
  if (failure) {
    throw Problem("--batch " + folder.string() + ": cannot be read: " + failure.message());
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

/// The folder of NAME as far as it is below FOLDER; else none.
std::string folder_below(const fs::path& folder, const std::string& name) {
  const fs::path below = fs::path(name).parent_path().lexically_proximate(folder);
  const bool is_below = !is_uri(name) && below.is_relative() && below.begin() != below.end() &&
                        *below.begin() != "..";
  return is_below ? below.string() : "";
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
    clips.push_back({.input = names[0],
                     .folder = folder_below(folder, names[0]),
                     .audio = names[1],
                     .sound = names[2]});
  }
  return clips;
}

/// What the clips' files of one kind are called: each has a name of its own.
class Names {
 public:
  /// PATTERN was given with OPTION.
  Names(const std::string& option, const std::string& pattern)
      : option_(option), pattern_(pattern) {}

  /// Throws Problem: another clip has it, or output_name() does.
  std::string name(const Clip& clip, const NameParts& parts) {
    std::string name = output_name(option_, pattern_, parts);
    const auto [other, first] = inputs_.emplace(name, clip.input);
    if (!first) {
      throw Problem("--batch: " + other->second + " and " + clip.input +
                    " would both be written to " + name + "; rename one, or put {folder} into " +
                    option_ + ", or make two batches of them");
    }
    return name;
  }

 private:
  std::string option_;
  std::string pattern_;
  std::map<std::string, std::string> inputs_;  ///< by the name that was given to them
};

}  // namespace

std::vector<Clip> batch_clips(const std::string& from, const std::string& outputs) {
  std::error_code failure;
  std::vector<Clip> clips =
      fs::is_directory(from, failure) ? from_folder(from, outputs) : from_list(from);
  if (clips.empty()) {
    throw Problem("--batch " + from + ": there is no video in it", kNoRetry);
  }
  return clips;
}

void name_outputs(Arguments& arguments, const std::string& seed) {
  const bool batch = arguments.batch;
  const std::string& outputs = arguments.output;
  const std::string& pages = arguments.report;
  Names output("-o", batch ? pattern_of_batch(outputs, ".mp4") : outputs);
  Names page("--report", batch && !pages.empty() ? pattern_of_batch(pages, ".html") : pages);
  for (Clip& clip : arguments.clips) {
    const NameParts parts{.stem = stem_of(clip.input),
                          .folder = clip.folder,
                          .preset = arguments.options.preset,
                          .seed = seed};
    clip.output = output.name(clip, parts);
    clip.report = pages.empty() ? "" : page.name(clip, parts);
  }
}

}  // namespace latentsync::transcode
