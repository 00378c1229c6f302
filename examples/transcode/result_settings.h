#pragma once

#include "examples/transcode/handles.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Which properties of the element decide what is made, and which only where and how fast.
namespace latentsync::transcode {

using Settings = std::vector<std::pair<std::string, std::string>>;  ///< property, value

/// Whether the pixels of the result depend on PROPERTY.
bool changes_result(std::string_view property);

/// All properties of ELEMENT that change the result, as they are now.
Settings result_settings(GstElement* element);

/// Of the others, those that are not at their default, and disk-cache.
Settings machine_settings(GstElement* element);

}  // namespace latentsync::transcode
