#include "examples/transcode/presets.h"

#include "examples/transcode/element.h"
#include "examples/transcode/problem.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

namespace latentsync::transcode {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kForm[] = R"(it must be {"NAME": {"PROPERTY": VALUE, ...}, ...})";

/// A value as --set takes it.
std::string text_of(const Json& value, const std::string& where) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_number() || value.is_boolean()) {
    return value.dump();
  }
  throw Problem(where + ": " + value.dump() + " is no text, number, true or false", kUsage);
}

std::string names_of(const std::vector<Preset>& presets) {
  std::string names;
  for (const Preset& preset : presets) {
    names += (names.empty() ? "" : ", ") + preset.name;
  }
  return names;
}

std::string meta_of(GstElement* element, const std::string& name, const char* tag) {
  gchar* value = nullptr;
  gst_preset_get_meta(GST_PRESET(element), name.c_str(), tag, &value);
  const TextPtr owner(value);
  return value == nullptr ? "" : value;
}

const Preset* find(const std::vector<Preset>& presets, const std::string& name) {
  const auto found = std::find_if(presets.begin(), presets.end(),
                                  [&](const Preset& preset) { return preset.name == name; });
  return found == presets.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Preset> read_presets(const std::string& file) {
  if (file.empty()) {
    return {};
  }
  std::ifstream stream(file);
  if (!stream) {
    throw Problem("--presets " + file + ": cannot be read", kUsage);
  }
  const Json all = Json::parse(stream, nullptr, false);
  if (!all.is_object()) {
    throw Problem("--presets " + file + ": " + kForm, kUsage);
  }
  std::vector<Preset> presets;
  for (const auto& [name, properties] : all.items()) {
    if (!properties.is_object()) {
      throw Problem("--presets " + file + ": " + name + ": " + kForm, kUsage);
    }
    Preset& preset = presets.emplace_back(Preset{name, "from " + file, {}});
    for (const auto& [property, value] : properties.items()) {
      preset.settings.emplace_back(
          property, text_of(value, "--presets " + file + ": " + name + ": " + property));
    }
  }
  return presets;
}

std::vector<Preset> element_presets(GstElement* element) {
  std::vector<Preset> presets;
  gchar** names = gst_preset_get_preset_names(GST_PRESET(element));
  for (gchar** name = names; name != nullptr && *name != nullptr; ++name) {
    presets.push_back({*name, meta_of(element, *name, "comment"), {}});
  }
  g_strfreev(names);
  return presets;
}

void load_preset(GstElement* element, const Options& options) {
  std::vector<Preset> presets = read_presets(options.presets);
  if (options.preset.empty()) {
    return;
  }
  if (const Preset* own = find(presets, options.preset)) {
    for (const auto& [property, value] : own->settings) {
      set_property(element, property, value,
                   "--presets " + options.presets + ": " + own->name + ": ");
    }
    return;
  }
  if (gst_preset_load_preset(GST_PRESET(element), options.preset.c_str())) {
    return;
  }
  for (Preset& preset : element_presets(element)) {
    presets.push_back(std::move(preset));
  }
  throw Problem("--preset " + options.preset + ": there is no such preset; " +
                    (presets.empty() ? "none is installed" : "there are " + names_of(presets)),
                kUsage);
}

void list_presets(const Options& options) {
  Options plain;
  const ElementPtr element = make_element(plain);
  std::vector<Preset> presets = read_presets(options.presets);
  for (Preset& preset : element_presets(element.get())) {
    if (find(presets, preset.name) == nullptr) {
      presets.push_back(std::move(preset));
    }
  }
  size_t width = 0;
  for (const Preset& preset : presets) {
    width = std::max(width, preset.name.size());
  }
  for (const Preset& preset : presets) {
    std::printf("%-*s  %s\n", int(width), preset.name.c_str(), preset.comment.c_str());
  }
}

}  // namespace latentsync::transcode
