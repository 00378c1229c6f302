#include "core/model/config_section.h"

#include "core/error.h"
#include "core/model/mapped_file.h"
#include "core/model/tensor_listing.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

namespace latentsync::model {
namespace {

using nlohmann::json;

constexpr size_t kMaxConfigSize = 1u << 20;

/// A value for a message; long ones cut.
std::string value_text(const json& value) {
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= 200 ? text : text.substr(0, 200) + "...";
}

bool is_int64(const json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() ||
          value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

}  // namespace

ConfigFile ConfigFile::read(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return parse(std::string(reinterpret_cast<const char*>(bytes.data()),
                           std::min(bytes.size(), kMaxConfigSize + 1)),
               path.string());
}

ConfigFile ConfigFile::parse(const std::string& text, const std::string& origin) {
  constexpr int kMaxDepth = 16;
  const auto refuse = [&](const std::string& what, const std::string& detail) {
    throw Error(ErrorCode::kDamagedFile,
                "The config \"" + origin + "\" cannot be read: " + what + ". Correct it.", detail);
  };
  if (text.size() > kMaxConfigSize) refuse("it is too large", "over 1 MB");
  ConfigFile result;
  result.origin_ = origin;
  try {
    const auto limit_depth = [&](int depth, json::parse_event_t, json&) {
      if (depth > kMaxDepth) refuse("it is nested too deeply", "");
      return true;
    };
    result.json_ = std::make_shared<const json>(json::parse(text, limit_depth));
  } catch (const json::exception& error) {
    refuse("it is not valid JSON", name_text(error.what()));
  }
  if (!result.json_->is_object()) refuse("it is not a JSON object", "");
  return result;
}

ConfigSection::ConfigSection(const json* json, std::string name, std::string origin,
                             std::string model)
    : json_(json), name_(std::move(name)), origin_(std::move(origin)), model_(std::move(model)) {}

ConfigSection ConfigSection::of(const ConfigFile& config, const std::string& name,
                                const std::string& sign, const std::string& model) {
  const json* whole = config.contents();
  if (whole == nullptr) return {nullptr, name, config.origin(), model};
  if (whole->contains(sign)) return {whole, "", config.origin(), model};
  return ConfigSection(whole, "", config.origin(), model).section(name);
}

const json* ConfigSection::find(const std::string& key) {
  asked_.insert(key);
  if (json_ == nullptr) return nullptr;
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

std::string ConfigSection::full_name(const std::string& key) const {
  return name_text(name_.empty() ? key : name_ + "." + key);
}

void ConfigSection::refuse_value(const std::string& key, const std::string& expected) const {
  throw Error(ErrorCode::kDamagedFile, "The config \"" + origin_ + "\" sets " + full_name(key) +
                                           ": " + value_text(json_->at(key)) + ", which must be " +
                                           expected + ". Correct it.");
}

void ConfigSection::refuse_unsupported_value(const std::string& key) const {
  throw Error(ErrorCode::kUnsupported, "The config \"" + origin_ + "\" sets " + full_name(key) +
                                           ": " + value_text(json_->at(key)) +
                                           ", which is not supported.");
}

void ConfigSection::refuse_disagreement(const std::string& key, const std::string& in_config,
                                        const std::string& in_file) const {
  throw Error(ErrorCode::kForeignModel, "The config \"" + origin_ + "\" sets " + full_name(key) +
                                            ": " + in_config + ", but the model file \"" + model_ +
                                            "\" has " + in_file +
                                            ". One of them belongs to another model.");
}

std::optional<int64_t> ConfigSection::integer(const std::string& key, int64_t least, int64_t most) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_int64(*value) || value->get<int64_t>() < least || value->get<int64_t>() > most) {
    refuse_value(key,
                 "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value->get<int64_t>();
}

std::optional<int64_t> ConfigSection::integer_for_all(const std::string& key, int64_t least,
                                                      int64_t most) {
  const json* value = find(key);
  if (value == nullptr || !value->is_array()) return integer(key, least, most);
  const auto list = *integers(key);
  const bool equal = !list.empty() && std::equal(list.begin() + 1, list.end(), list.begin());
  if (!equal) refuse_unsupported_value(key);
  if (list.front() < least || list.front() > most) {
    refuse_value(key, "from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return list.front();
}

std::optional<double> ConfigSection::number(const std::string& key, double least, double most) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !(value->get<double>() >= least && value->get<double>() <= most)) {
    refuse_value(key, "a number from " + value_text(least) + " to " + value_text(most));
  }
  return value->get<double>();
}

std::optional<bool> ConfigSection::boolean(const std::string& key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse_value(key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> ConfigSection::text(const std::string& key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse_value(key, "a string");
  return value->get<std::string>();
}

std::optional<std::vector<int64_t>> ConfigSection::integers(const std::string& key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_int64)) {
    refuse_value(key, "a list of whole numbers");
  }
  return value->get<std::vector<int64_t>>();
}

std::optional<std::vector<std::string>> ConfigSection::texts(const std::string& key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array() || !std::all_of(value->begin(), value->end(),
                                         [](const json& item) { return item.is_string(); })) {
    refuse_value(key, "a list of strings");
  }
  return value->get<std::vector<std::string>>();
}

ConfigSection ConfigSection::section(const std::string& key) {
  const json* value = find(key);
  if (value != nullptr && !value->is_object()) refuse_value(key, "an object");
  return {value, name_.empty() ? key : name_ + "." + key, origin_, model_};
}

void ConfigSection::agree_json(const std::string& key, const json& in_file) {
  const json* value = find(key);
  if (value == nullptr || *value == in_file) return;
  refuse_disagreement(key, value_text(*value), value_text(in_file));
}

void ConfigSection::agree(const std::string& key, int64_t in_file) { agree_json(key, in_file); }

void ConfigSection::agree(const std::string& key, const std::vector<int64_t>& in_file) {
  agree_json(key, in_file);
}

void ConfigSection::agree(const std::string& key, const std::vector<std::string>& in_file) {
  agree_json(key, in_file);
}

void ConfigSection::only(const std::string& key, std::initializer_list<json> allowed) {
  const json* value = find(key);
  if (value == nullptr || std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) {
    return;
  }
  refuse_unsupported_value(key);
}

void ConfigSection::ignore(std::initializer_list<const char*> keys) {
  for (const char* key : keys) asked_.insert(key);
}

void ConfigSection::refuse_the_rest() const {
  if (json_ == nullptr) return;
  for (const auto& [key, value] : json_->items()) {
    const bool says_nothing = value.is_null() || (value.is_boolean() && !value.get<bool>());
    if (asked_.contains(key) || key.starts_with('_') || says_nothing) continue;
    refuse_unsupported_value(key);
  }
}

}  // namespace latentsync::model
