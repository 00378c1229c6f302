#pragma once

#include <gst/gst.h>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// The folder of ELEMENT's model: its model-path, or where the plugin finds the demo model.
std::string model_folder(GstElement* element);

/// The files of the model in FOLDER and its folders, relative to it, sorted.
std::vector<std::string> model_files(const std::string& folder);

/// Size and time of the file at PATH, to see whether it was changed; "none" where there is none.
std::string size_and_time(const std::string& path);

}  // namespace latentsync::transcode
