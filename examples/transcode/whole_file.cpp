#include "examples/transcode/whole_file.h"

#include "examples/transcode/checksum.h"
#include "examples/transcode/input_file.h"
#include "examples/transcode/model_folder.h"
#include "examples/transcode/output_file.h"
#include "examples/transcode/result_settings.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr char kMadeBy[] = "# latentsync-transcode ";

void add_file(Checksum& sum, const std::string& name) {
  const std::string path = path_of(name);
  sum.add(name.empty() ? "" : path.empty() ? name : size_and_time(path));
}

void add_model(Checksum& sum, const fs::path& folder) {
  for (const std::string& file : model_files(folder)) {
    sum.add(file + " " + size_and_time(folder / file));
  }
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
  for (const auto& [property, value] : result_settings(element)) {
    sum.add(property + "=" + value);
  }
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
    throw cannot_write(file, reason);
  }
}

}  // namespace latentsync::transcode
