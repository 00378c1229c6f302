#include "gst/render/engine_loader.h"

#include "gst/own_libtorch.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <link.h>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace latentsync {
namespace {

namespace fs = std::filesystem;

constexpr char kEngineFile[] = "liblatentsync-engine.so";
constexpr char kLibTorch[] = "2.11";

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

bool is_of_libtorch(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with("libtorch") || name.starts_with("libc10");
}

/// The first library of a LibTorch that this process has loaded, or empty.
fs::path loaded_libtorch() {
  fs::path found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        if (!is_of_libtorch(info->dlpi_name)) return 0;
        *static_cast<fs::path*>(result) = info->dlpi_name;
        return 1;
      },
      &found);
  return found;
}

/// The LibTorch whose symbols every library of this process finds before its own, or empty: the
/// program links it, it is preloaded, or it was opened with RTLD_GLOBAL.
fs::path global_libtorch() {
  void* symbol = dlsym(RTLD_DEFAULT, "_ZN2at13globalContextEv");  // at::globalContext()
  Dl_info info = {};
  return symbol && dladdr(symbol, &info) && info.dli_fname ? info.dli_fname : "";
}

/// The first one that the loader finds in LD_LIBRARY_PATH, or empty.
fs::path preferred_libtorch() {
  const char* folders = std::getenv("LD_LIBRARY_PATH");
  std::istringstream list(folders ? folders : "");
  for (std::string folder; std::getline(list, folder, ':');) {
    std::error_code ignored;
    for (fs::directory_iterator entry(folder.empty() ? "." : folder, ignored), end; entry != end;
         entry.increment(ignored)) {
      if (is_of_libtorch(entry->path()) && entry->path().extension() == ".so") return entry->path();
    }
  }
  return {};
}

/// Why the dynamic loader refuses ENGINE, from its own words. OTHER: a LibTorch that may have been
/// taken in place of the engine's own, or empty.
std::string loading_problem(const std::string& engine, std::string_view reason,
                            const fs::path& other) {
  const auto says = [&](const char* words) { return reason.find(words) != std::string_view::npos; };
  const bool mismatch = says("undefined symbol") || says("version `");
  if (mismatch && kOwnLibTorch && !other.empty()) {
    return "The engine library " + engine +
           " cannot use the CUDA libraries that this process has loaded for another LibTorch, " +
           other.string() + ". Use the PyTorch of version " + kLibTorch +
           ", or run the element in a process of its own.";
  }
  if (mismatch && !other.empty()) {
    return "The engine library " + engine + " needs LibTorch " + kLibTorch +
           ", but this process uses another one, " + other.string() +
           ". Run it without that one (LD_PRELOAD, LD_LIBRARY_PATH, another PyTorch), or in a "
           "process of its own.";
  }
  if (mismatch || (says("cannot open shared object file") && !reason.starts_with(engine))) {
    return "The engine library " + engine +
           " cannot be loaded. Run setup.sh again, so that LibTorch is where the engine looks for "
           "it.";
  }
  return "The engine library " + engine +
         " cannot be loaded: it is damaged, or memory is short. "
         "Build or install it again.";
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
  constexpr int kMode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
  const fs::path loaded = loaded_libtorch();
  void* library = dlopen(file.c_str(), kMode | RTLD_NOLOAD);
  if (!library && kOwnLibTorch) {
    if (const fs::path global = global_libtorch(); !global.empty()) {
      return Failure{
          ErrorCode::kUnsupported,
          "The engine library " + file.string() +
              " cannot be loaded beside another LibTorch that all libraries of the "
              "process use, " +
              global.string() +
              ". Open that one with RTLD_LOCAL, as Python does by itself (no LD_PRELOAD, "
              "no TORCH_USE_RTLD_GLOBAL), or run the element in a process of its own."};
    }
  }
  if (!library) library = dlopen(file.c_str(), kMode);
  if (!library) {
    const char* words = dlerror();
    const std::string reason = words ? words : "";
    return Failure{
        ErrorCode::kUnreadable,
        loading_problem(file.string(), reason, loaded.empty() ? preferred_libtorch() : loaded),
        reason};
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
  const fs::path above = plugin_folder().parent_path().parent_path();
  const fs::path in_source = above / "models" / "demo";
  if (fs::exists(in_source, error)) return in_source.string();
  // Above lib/gstreamer-1.0 and lib/TRIPLET/gstreamer-1.0 of an installation that was moved.
  for (const fs::path& prefix : {above, above.parent_path()}) {
    const fs::path moved = prefix / "share" / "latentsync" / "models" / "demo";
    if (fs::exists(moved, error)) return moved.string();
  }
  return LATENTSYNC_DATA_FOLDER "/latentsync/models/demo";
}

}  // namespace latentsync
