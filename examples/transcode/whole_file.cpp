#include "examples/transcode/whole_file.h"

#include "examples/transcode/input_file.h"
#include "examples/transcode/output_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr char kMadeBy[] = "# latentsync-transcode ";

/// Properties that decide where and how fast it is made, and not what.
constexpr std::array<std::string_view, 13> kWithoutEffect = {
    "disk-cache",    "name",           "parent",         "device",
    "vram-fraction", "vram-budget",    "memory-mode",    "batch-size",
    "late-policy",   "render-latency", "disk-cache-dir", "disk-cache-size",
    "measure-mouths"};

struct FreeChecksum {
  void operator()(GChecksum* checksum) const { g_checksum_free(checksum); }
};

class Checksum {
 public:
  void add(const void* data, size_t size) {
    g_checksum_update(checksum_.get(), static_cast<const guchar*>(data), gssize(size));
  }
  /// With its end, so that no two lists of texts are alike.
  void add(const std::string& text) { add(text.c_str(), text.size() + 1); }
  std::string text() { return g_checksum_get_string(checksum_.get()); }

 private:
  std::unique_ptr<GChecksum, FreeChecksum> checksum_{g_checksum_new(G_CHECKSUM_SHA256)};
};

std::string size_and_time(const std::string& path) {
  struct stat found = {};
  return ::stat(path.c_str(), &found) != 0
             ? "none"
             : std::to_string(found.st_size) + " " + std::to_string(found.st_mtim.tv_sec) + "." +
                   std::to_string(found.st_mtim.tv_nsec);
}

void add_file(Checksum& sum, const std::string& name) {
  const std::string path = path_of(name);
  sum.add(name.empty() ? "" : path.empty() ? name : size_and_time(path));
}

void add_model(Checksum& sum, const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code ignored;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         ignored);
  for (const fs::recursive_directory_iterator end; !ignored && entry != end;
       entry.increment(ignored)) {
    if (entry.depth() > 0) {
      entry.disable_recursion_pending();
    }
    if (entry->is_regular_file(ignored)) {
      files.push_back(entry->path().lexically_relative(folder).string() + " " +
                      size_and_time(entry->path().string()));
    }
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    sum.add(file);
  }
}

void add_properties(Checksum& sum, GstElement* element) {
  guint count = 0;
  GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (GParamSpec* property : std::span(all, count)) {
    const bool counts = (property->flags & G_PARAM_READWRITE) == G_PARAM_READWRITE &&
                        std::find(kWithoutEffect.begin(), kWithoutEffect.end(),
                                  std::string_view(property->name)) == kWithoutEffect.end();
    if (!counts) {
      continue;
    }
    GValue value = G_VALUE_INIT;
    g_object_get_property(G_OBJECT(element), property->name, &value);
    const TextPtr text(gst_value_serialize(&value));
    sum.add(std::string(property->name) + "=" + (text ? text.get() : ""));
    g_value_unset(&value);
  }
  g_free(all);
}

/// Of all that FILE holds; none where it cannot be read.
std::optional<std::string> checksum_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> part(1 << 20);
  Checksum sum;
  while (stream) {
    stream.read(part.data(), std::streamsize(part.size()));
    sum.add(part.data(), size_t(stream.gcount()));
  }
  return stream.eof() ? std::optional(sum.text()) : std::nullopt;
}

}  // namespace

std::string recipe_of(const Clip& clip, const Options& options, GstElement* element) {
  Checksum sum;
  add_file(sum, clip.input);
  add_file(sum, clip.audio);
  add_file(sum, clip.sound);
  const auto add_number = [&](guint64 number) { sum.add(std::to_string(number)); };
  add_number(options.start.value_or(GST_CLOCK_TIME_NONE));
  add_number(options.duration.value_or(GST_CLOCK_TIME_NONE));
  add_number(options.video_end ? guint64(*options.video_end) : GST_CLOCK_TIME_NONE);
  add_number(guint64(options.audio_offset));
  add_number(guint64(options.audio_channel));
  add_number(guint64(options.deinterlace));
  add_number(guint64(options.clean_audio));
  sum.add(options.audio_track);
  sum.add(options.profile);
  sum.add(fs::path(clip.output).extension().string());
  add_properties(sum, element);
  gchar* model = nullptr;
  g_object_get(element, "model-path", &model, nullptr);
  const TextPtr owner(model);
  add_model(sum, model == nullptr ? "" : model);
  return sum.text();
}

std::string checksum_file(const std::string& output) { return hidden_beside(output, ".sha256"); }

Found look_for(const std::string& output, const std::string& recipe) {
  std::ifstream file(checksum_file(output));
  std::string made;
  std::string line;
  if (!std::getline(file, made) || !std::getline(file, line) || !made.starts_with(kMadeBy) ||
      !fs::exists(output)) {
    return Found::kNothing;
  }
  if (made != kMadeBy + recipe) {
    return Found::kOther;
  }
  return checksum_of(output) == line.substr(0, line.find(' ')) ? Found::kWhole : Found::kDamaged;
}

void remember(const std::string& output, const std::string& recipe) {
  const std::optional<std::string> sum = checksum_of(output);
  const std::string file = checksum_file(output);
  const std::string partial = file + ".partial";
  std::ofstream stream(partial);
  stream << kMadeBy << recipe << '\n'
         << sum.value_or("") << "  " << fs::path(output).filename().string() << '\n';
  stream.close();
  if (!sum || !stream || ::rename(partial.c_str(), file.c_str()) != 0) {
    const int reason = errno;
    ::unlink(partial.c_str());
    throw Problem(file + ": cannot be written: " + std::strerror(reason));
  }
}

}  // namespace latentsync::transcode
