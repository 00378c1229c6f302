#include "examples/transcode/model_folder.h"

#include "examples/transcode/handles.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

namespace latentsync::transcode {

namespace fs = std::filesystem;

std::string model_folder(GstElement* element) {
  gchar* text = nullptr;
  g_object_get(element, "model-path", &text, nullptr);
  const TextPtr path(text);
  if (path && *path.get() != 0) {
    return path.get();
  }
  GstPlugin* plugin =
      gst_plugin_feature_get_plugin(GST_PLUGIN_FEATURE(gst_element_get_factory(element)));
  const gchar* file = plugin == nullptr ? nullptr : gst_plugin_get_filename(plugin);
  std::error_code ignored;
  const fs::path folder = fs::weakly_canonical(file == nullptr ? "" : file, ignored).parent_path();
  gst_clear_object(&plugin);
  const fs::path above = folder.parent_path().parent_path();
  // A build, and an installation that was moved, as the plugin looks for it.
  for (const fs::path& found : {above / "models" / "demo", above / LATENTSYNC_DEMO_MODEL,
                                above.parent_path() / LATENTSYNC_DEMO_MODEL}) {
    if (fs::exists(found, ignored)) {
      return found.string();
    }
  }
  return (fs::path(LATENTSYNC_PREFIX) / LATENTSYNC_DEMO_MODEL).string();
}

std::vector<std::string> model_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code ignored;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         ignored);
  for (const fs::recursive_directory_iterator end; !ignored && entry != end;
       entry.increment(ignored)) {
    if (entry.depth() > 0) {
      entry.disable_recursion_pending();
    }
    if (entry->is_regular_file(ignored)) {
      files.push_back(entry->path().lexically_relative(folder).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string size_and_time(const std::string& path) {
  struct stat found = {};
  return ::stat(path.c_str(), &found) != 0
             ? "none"
             : std::to_string(found.st_size) + " " + std::to_string(found.st_mtim.tv_sec) + "." +
                   std::to_string(found.st_mtim.tv_nsec);
}

}  // namespace latentsync::transcode
