#include "examples/transcode/used_files.h"

#include "examples/transcode/file_identity.h"
#include "examples/transcode/input_file.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/whole_file.h"

#include <filesystem>
#include <map>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

/// A model has a dozen files; a folder that has more than this is none.
constexpr int kMostModelFiles = 4096;

/// 00000042.png, as --frames writes it.
bool is_picture(const std::string& name) {
  const size_t digits = name.find_first_not_of("0123456789");
  return digits != std::string::npos && digits >= 8 && name.substr(digits) == ".png";
}

bool is_regular(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

class UsedFiles {
 public:
  void read(const std::string& path, const std::string& role) {
    if (const auto identity = identify(path); identity && !path.empty()) {
      uses_.try_emplace(*identity, Use{path, role, false});
    }
  }

  /// WHAT: how the command names it, in a message.
  void write(const std::string& what, const std::string& path, const std::string& role) {
    const auto identity = identify(path);
    // What is written to a device or pipe harms nothing.
    if (!identity || (identity->rest.empty() && !is_regular(path))) {
      return;
    }
    const auto [use, added] = uses_.try_emplace(*identity, Use{path, role, true});
    if (!added) {
      refuse(what, path, use->second);
    }
  }

  /// A folder of files with names that no user gives. After all others.
  void make_folder(const std::string& what, const std::string& folder) {
    const auto place = identify(folder);
    for (const auto& [identity, use] : uses_) {
      if (place && (identity == *place || is_in_the_way(*place, identity, use))) {
        refuse(what, folder, use);
      }
    }
  }

  void write_pictures(const std::string& folder) {
    const auto place = identify(folder);
    if (!place) {
      return;
    }
    for (const auto& [identity, use] : uses_) {
      if (is_in_the_way(*place, identity, use) || is_picture_in(*place, identity)) {
        refuse("--frames " + folder, folder, use);
      }
    }
    std::error_code ignored;
    for (fs::directory_iterator entry(folder, ignored), end; entry != end;
         entry.increment(ignored)) {
      const std::string picture = entry->path().string();
      if (!is_picture(entry->path().filename().string())) {
        continue;
      }
      if (fs::exists(picture, ignored) && !is_regular(picture)) {
        throw Problem("--frames " + folder + ": " + picture + " is not a file; remove it");
      }
      write("--frames " + picture, picture, "a picture of --frames");
    }
  }

 private:
  struct Use {
    std::string path;
    std::string role;
    bool written;
  };

  /// Whether a folder at PLACE would have to lie in the file.
  static bool is_in_the_way(const FileIdentity& place, const FileIdentity& file, const Use& use) {
    return use.written && !file.rest.empty() && file.holds(place);
  }

  static bool is_picture_in(const FileIdentity& folder, const FileIdentity& file) {
    const size_t name = file.rest.rfind('/') + 1;
    return !file.rest.empty() && folder.holds(file) && is_picture(file.rest.substr(name)) &&
           folder.rest.size() + (folder.rest.empty() ? 0 : 1) == name;
  }

  [[noreturn]] static void refuse(const std::string& what, const std::string& path,
                                  const Use& other) {
    throw Problem(what + ": this is " + other.role +
                  (other.path == path ? "" : " (" + other.path + ")") + "; name another one");
  }

  std::map<FileIdentity, Use> uses_;
};

void read_model(UsedFiles& files, const fs::path& model) {
  constexpr char kRole[] = "a file of the model";
  files.read(model.string(), kRole);
  files.read((model / "config.json").string(), kRole);
  std::error_code ignored;
  int left = kMostModelFiles;
  fs::recursive_directory_iterator entry(model, fs::directory_options::skip_permission_denied,
                                         ignored);
  for (const fs::recursive_directory_iterator end; entry != end && left > 0;
       entry.increment(ignored), --left) {
    if (entry.depth() > 0) {
      entry.disable_recursion_pending();
    }
    files.read(entry->path().string(), kRole);
  }
}

}  // namespace

void check_used_files(const Arguments& arguments, const std::string& model_folder,
                      const std::string& cache_folder) {
  UsedFiles files;
  for (const Clip& clip : arguments.clips) {
    files.read(path_of(clip.input), "the input itself");
    files.read(path_of(clip.audio), "the speech itself");
    files.read(path_of(clip.sound), "the sound itself");
  }
  files.read(arguments.list, arguments.join.empty() ? "the list itself" : "the plan itself");
  read_model(files, model_folder);
  if (is_regular("/proc/self/fd/" + std::to_string(STDERR_FILENO))) {
    files.read("/proc/self/fd/" + std::to_string(STDERR_FILENO), "where messages are written");
  }
  for (const Clip& clip : arguments.clips) {
    files.write(clip.output, clip.output, "the output itself");
    files.write(clip.output, lock_of(clip.output), "the lock of the output");
    if (arguments.batch) {
      files.write(clip.output, checksum_file(clip.output), "the checksum of the output");
    }
    if (!clip.stats.empty()) {
      files.write("--stats " + clip.stats, clip.stats, "the report of --stats");
    }
    if (!clip.report.empty()) {
      files.write("--report " + clip.report, clip.report, "the page of --report");
      files.write("--report " + clip.report, lock_of(clip.report), "the lock of the page");
    }
  }
  if (!arguments.jobs_report.empty()) {
    files.write("--jobs-report " + arguments.jobs_report, arguments.jobs_report,
                "the report of --jobs-report");
  }
  for (const Clip& clip : arguments.clips) {
    if (!clip.frames.empty()) {
      files.write_pictures(clip.frames);
    }
  }
  if (!cache_folder.empty()) {
    files.make_folder("disk-cache-dir=" + cache_folder, cache_folder);
  }
}

}  // namespace latentsync::transcode
