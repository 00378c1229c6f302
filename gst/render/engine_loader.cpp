#include "gst/render/engine_loader.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <system_error>
#include <vector>

namespace latentsync {
namespace {

namespace fs = std::filesystem;

constexpr char kEngineFile[] = "liblatentsync-engine.so";

fs::path plugin_folder() {
  Dl_info info = {};
  if (!dladdr(reinterpret_cast<const void*>(&plugin_folder), &info) || !info.dli_fname) return {};
  std::error_code error;
  fs::path file = fs::canonical(info.dli_fname, error);
  return error ? fs::path(info.dli_fname).parent_path() : file.parent_path();
}

/// Empty where there is none.
fs::path engine_file() {
  if (const char* chosen = std::getenv("LATENTSYNC_ENGINE"); chosen && *chosen) return chosen;
  const fs::path folder = plugin_folder();
  std::error_code error;
  for (const fs::path& candidate : {folder.parent_path() / kEngineFile, folder / kEngineFile,
                                    fs::path(LATENTSYNC_LIBRARY_FOLDER) / kEngineFile}) {
    if (fs::exists(candidate, error)) return candidate;
  }
  return {};
}

}  // namespace

Result<Engine*> load_engine() {
  const fs::path file = engine_file();
  std::error_code error;
  if (!file.empty() && !fs::exists(file, error)) {
    return Failure{ErrorCode::kNotFound, "LATENTSYNC_ENGINE names " + file.string() +
                                             ", which is not there. Correct or unset it."};
  }
  if (file.empty()) {
    return Failure{ErrorCode::kNotFound,
                   std::string("The engine library ") + kEngineFile +
                       " was not found. Install the whole package, or set LATENTSYNC_ENGINE to "
                       "the library's path.",
                   "looked beside and above " + plugin_folder().string() + " and in " +
                       LATENTSYNC_LIBRARY_FOLDER};
  }
  // RTLD_LOCAL: LibTorch's symbols are not the process's. RTLD_NODELETE: nor can it be unloaded.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    const char* reason = dlerror();
    return Failure{ErrorCode::kUnreadable,
                   "The engine library " + file.string() +
                       " cannot be loaded. Run setup.sh again, so that LibTorch is where the "
                       "engine looks for it.",
                   reason ? reason : ""};
  }
  const auto entry = reinterpret_cast<EngineEntry>(dlsym(library, kEngineEntry));
  Engine* engine = entry ? entry(kEngineVersion) : nullptr;
  if (!engine) {
    return Failure{ErrorCode::kUnsupported,
                   "The engine library " + file.string() +
                       " is of another version than the plugin. Build and install both together.",
                   "the plugin's version is " + std::to_string(kEngineVersion)};
  }
  return engine;
}

std::string default_model_path() {
  std::error_code error;
  const fs::path in_source = plugin_folder().parent_path().parent_path() / "models" / "demo";
  if (fs::exists(in_source, error)) return in_source.string();
  return LATENTSYNC_DATA_FOLDER "/latentsync/models/demo";
}

}  // namespace latentsync
