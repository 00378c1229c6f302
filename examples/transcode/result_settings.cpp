#include "examples/transcode/result_settings.h"

#include <algorithm>
#include <array>
#include <span>

namespace latentsync::transcode {
namespace {

/// Properties that decide where and how fast it is made, and not what.
constexpr std::array<std::string_view, 11> kOfTheMachine = {
    "disk-cache",     "device",          "vram-fraction", "vram-budget",
    "memory-mode",    "batch-size",      "late-policy",   "render-latency",
    "disk-cache-dir", "disk-cache-size", "measure-mouths"};
/// Of GstObject.
constexpr std::array<std::string_view, 2> kOfTheObject = {"name", "parent"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// VALUE of a property as text, only where KEEP(property, value).
template <typename Keep>
Settings settings_of(GstElement* element, Keep keep) {
  Settings settings;
  guint count = 0;
  GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (GParamSpec* property : std::span(all, count)) {
    if ((property->flags & G_PARAM_READWRITE) != G_PARAM_READWRITE) {
      continue;
    }
    GValue value = G_VALUE_INIT;
    g_object_get_property(G_OBJECT(element), property->name, &value);
    if (keep(property, &value)) {
      const TextPtr text(gst_value_serialize(&value));
      settings.emplace_back(property->name, text ? text.get() : "");
    }
    g_value_unset(&value);
  }
  g_free(all);
  return settings;
}

}  // namespace

bool changes_result(std::string_view property) {
  return !is_one_of(kOfTheMachine, property) && !is_one_of(kOfTheObject, property);
}

Settings result_settings(GstElement* element) {
  return settings_of(
      element, [](GParamSpec* property, const GValue*) { return changes_result(property->name); });
}

Settings machine_settings(GstElement* element) {
  return settings_of(element, [](GParamSpec* property, const GValue* value) {
    // The command line has a cache unless --no-cache is given.
    const bool told = std::string_view(property->name) == "disk-cache" ||
                      g_param_value_defaults(property, value) == FALSE;
    return is_one_of(kOfTheMachine, property->name) && told;
  });
}

}  // namespace latentsync::transcode
