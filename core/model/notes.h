#pragma once

#include "core/model/model_folder.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// What lies in a model folder and is not what its user may take it for.
namespace latentsync::model {

/// Training configurations beside the weights, in YAML or turned into JSON, by name: they are not
/// read. Errors: kUnreadable when FOLDER cannot be read.
std::vector<std::filesystem::path> training_configs(const std::filesystem::path& folder);

/// The keys at the top of a config.json that nothing reads, but those that begin with '_' or say
/// nothing (null, false).
std::vector<std::string> unread_keys(const ConfigFile& config);

/// The model's version by config.json, a string or a number.
std::optional<std::string> version_of(const ConfigFile& config);

}  // namespace latentsync::model
