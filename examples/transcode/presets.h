#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/handles.h"

#include <string>
#include <utility>
#include <vector>

namespace latentsync::transcode {

struct Preset {
  std::string name;
  std::string comment;                                        ///< in words; may be empty
  std::vector<std::pair<std::string, std::string>> settings;  ///< property, value
};

/// Those of --presets FILE.json, an object of name to an object of property to value. Throws
/// Problem (kUsage): it cannot be read, or is anything else.
std::vector<Preset> read_presets(const std::string& file);

/// Those of the element: of the source tree or the installation, and the user's own.
std::vector<Preset> element_presets(GstElement* element);

/// Sets ELEMENT's properties to the preset OPTIONS.preset, of the file before the element's. Throws
/// Problem (kUsage) that lists the names there are: no such preset, property or value.
void load_preset(GstElement* element, const Options& options);

/// Prints all, a line each.
void list_presets(const Options& options);

}  // namespace latentsync::transcode
