#include "examples/transcode/element.h"

#include "examples/transcode/presets.h"
#include "examples/transcode/problem.h"

#include <array>
#include <cctype>
#include <filesystem>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr char kFactory[] = "latentsync";

fs::path own_folder() {
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  return failure ? fs::path() : program.parent_path();
}

struct Place {
  fs::path plugin;  ///< empty: where GStreamer looks
  fs::path presets;
};

/// In the build folder, or in an installation, wherever it was moved.
Place own_place() {
  const fs::path built = own_folder() / "../..";
  const fs::path prefix = own_folder() / "..";
  std::error_code failure;
  for (const Place& place : {Place{built / "gst", built / "../gst/presets"},
                             Place{prefix / LATENTSYNC_PLUGINS, prefix / LATENTSYNC_PRESETS}}) {
    const fs::path plugin = place.plugin / "libgstlatentsync.so";
    if (fs::exists(plugin, failure)) return {plugin, place.presets};
  }
  return {{}, fs::path(LATENTSYNC_PREFIX) / LATENTSYNC_PRESETS};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::vector<std::string> property_names(GstElement* element) {
  guint count = 0;
  GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  std::vector<std::string> names;
  for (guint index = 0; index < count; ++index) {
    const bool own = all[index]->owner_type == G_OBJECT_TYPE(element);
    if (own && (all[index]->flags & G_PARAM_WRITABLE) != 0) {
      names.emplace_back(all[index]->name);
    }
  }
  g_free(all);
  return names;
}

std::string trimmed(double number) {
  std::array<char, G_ASCII_DTOSTR_BUF_SIZE> text{};
  return g_ascii_formatd(text.data(), int(text.size()), "%.10g", number);
}

/// What PROPERTY takes, for people.
std::string expected(GParamSpec* property) {
  if (G_IS_PARAM_SPEC_ENUM(property)) {
    const GEnumClass* values = G_PARAM_SPEC_ENUM(property)->enum_class;
    std::vector<std::string> names;
    for (guint index = 0; index < values->n_values; ++index) {
      names.emplace_back(values->values[index].value_nick);
    }
    return "one of " + joined(names);
  }
  if (G_IS_PARAM_SPEC_BOOLEAN(property)) {
    return "true or false";
  }
  std::string range;
  const auto say = [&](const std::string& from, const std::string& to) {
    range = from + " to " + to;
  };
  if (const auto* number = G_IS_PARAM_SPEC_INT(property) ? G_PARAM_SPEC_INT(property) : nullptr) {
    say(std::to_string(number->minimum), std::to_string(number->maximum));
  } else if (const auto* wide =
                 G_IS_PARAM_SPEC_INT64(property) ? G_PARAM_SPEC_INT64(property) : nullptr) {
    say(std::to_string(wide->minimum), std::to_string(wide->maximum));
  } else if (const auto* natural =
                 G_IS_PARAM_SPEC_UINT(property) ? G_PARAM_SPEC_UINT(property) : nullptr) {
    say(std::to_string(natural->minimum), std::to_string(natural->maximum));
  } else if (const auto* time =
                 G_IS_PARAM_SPEC_UINT64(property) ? G_PARAM_SPEC_UINT64(property) : nullptr) {
    say(std::to_string(time->minimum), std::to_string(time->maximum));
  } else if (const auto* real =
                 G_IS_PARAM_SPEC_DOUBLE(property) ? G_PARAM_SPEC_DOUBLE(property) : nullptr) {
    say(trimmed(real->minimum), trimmed(real->maximum));
  }
  return range.empty() ? std::string("a ") + g_type_name(property->value_type) : range;
}

}  // namespace

void find_plugin() {
  const Place place = own_place();
  gst_preset_set_app_dir(place.presets.lexically_normal().c_str());
  if (!place.plugin.empty()) {
    GError* error = nullptr;
    GstPlugin* plugin = gst_plugin_load_file(place.plugin.c_str(), &error);
    const ErrorPtr owner(error);
    if (plugin == nullptr) {
      throw Problem(place.plugin.lexically_normal().string() + ": the plugin cannot be loaded (" +
                    one_line(error->message) + ")");
    }
    gst_object_unref(plugin);
  }
  GstElementFactory* factory = gst_element_factory_find(kFactory);
  if (factory == nullptr) {
    throw Problem(
        "GStreamer cannot find the element latentsync: install the plugin, or add its "
        "folder to GST_PLUGIN_PATH");
  }
  gst_object_unref(factory);
}

void set_property(GstElement* element, const std::string& name, const std::string& text,
                  const std::string& where) {
  GParamSpec* property = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name.c_str());
  if (property == nullptr || (property->flags & G_PARAM_WRITABLE) == 0) {
    throw Problem(where + name + ": latentsync has no such property to set; there are " +
                      joined(property_names(element)),
                  kUsage);
  }
  GValue value = G_VALUE_INIT;
  g_value_init(&value, property->value_type);
  bool good = gst_value_deserialize_with_pspec(&value, text.c_str(), property) != FALSE;
  good = good && g_param_value_validate(property, &value) == FALSE;
  if (good) {
    g_object_set_property(G_OBJECT(element), name.c_str(), &value);
  }
  g_value_unset(&value);
  if (!good) {
    throw Problem(where + name + "=" + text + ": " + name + " is " + expected(property), kUsage);
  }
}

ElementPtr make_element(const Options& options) {
  ElementPtr element(gst_element_factory_make(kFactory, nullptr));
  if (!element) {
    throw Problem(
        "GStreamer cannot create the element latentsync; gst-inspect-1.0 latentsync shows why");
  }
  gst_object_ref_sink(element.get());
  gst_util_set_object_arg(G_OBJECT(element.get()), "audio-context", "whole");
  g_object_set(element.get(), "disk-cache", TRUE, nullptr);
  load_preset(element.get(), options);
  for (const auto& [name, value] : options.settings) {
    set_property(element.get(), name, value, "--set ");
  }
  if (!options.cache) {
    g_object_set(element.get(), "disk-cache", FALSE, nullptr);
  }
  return element;
}

}  // namespace latentsync::transcode
