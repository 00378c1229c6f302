#include "core/model/notes.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include <nlohmann/json.hpp>

namespace latentsync::model {
namespace {

namespace fs = std::filesystem;

// A configuration that the trainer reads has "data" and "run".
bool is_training_config(const fs::path& file) {
  const auto ending = file.extension();
  if (ending == ".yaml" || ending == ".yml") return true;
  if (ending != ".json" || file.filename() == "config.json") return false;
  try {
    const auto config = ConfigFile::read(file);
    return config.contents()->contains("data") || config.contents()->contains("run");
  } catch (const Error&) {
    return false;  // whatever it is, nobody asked for it
  }
}

// Of a config.json of one section alone each key is that section's.
bool is_one_section(const nlohmann::json& whole) {
  return std::ranges::any_of(
      std::array{"down_block_types", "latent_channels", "num_train_timesteps", "n_audio_state"},
      [&](const char* sign) { return whole.contains(sign); });
}

}  // namespace

std::vector<fs::path> training_configs(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_training_config(entry->path())) files.push_back(entry->path());
  }
  if (error) {
    throw Error(ErrorCode::kUnreadable, "Cannot read the folder \"" + folder.string() +
                                            "\": " + error.message() + ". Check its permissions.");
  }
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> unread_keys(const ConfigFile& config) {
  constexpr std::array<std::string_view, 16> kRead = {"audio_block_fill",
                                                      "audio_feat_length",
                                                      "audio_sample_rate",
                                                      "feature_cache",
                                                      "guidance_scale",
                                                      "inference_steps",
                                                      "name",
                                                      "num_frames",
                                                      "resolution",
                                                      "scheduler",
                                                      "seed",
                                                      "unet",
                                                      "vae",
                                                      "version",
                                                      "video_fps",
                                                      "whisper"};
  std::vector<std::string> keys;
  const auto* whole = config.contents();
  if (whole == nullptr || is_one_section(*whole)) return keys;
  for (const auto& [key, value] : whole->items()) {
    const bool says_nothing = value.is_null() || (value.is_boolean() && !value.get<bool>());
    if (says_nothing || key.starts_with('_') || std::ranges::find(kRead, key) != kRead.end()) {
      continue;
    }
    keys.push_back(key);
  }
  return keys;
}

std::optional<std::string> version_of(const ConfigFile& config) {
  const auto* whole = config.contents();
  if (whole == nullptr || !whole->contains("version")) return std::nullopt;
  const auto& version = whole->at("version");
  if (version.is_string()) return version.get<std::string>();
  if (version.is_number()) return version.dump();
  return std::nullopt;
}

}  // namespace latentsync::model
