#include "core/lipsync/folders.h"

#include "core/error.h"
#include "core/lipsync/installed.h"

#include <dlfcn.h>
#include <system_error>
#include <vector>

namespace latentsync::lipsync {
namespace {

namespace fs = std::filesystem;

// One of the files, as a sign that the networks are there.
constexpr char kLandmarks[] = "face_landmark.safetensors";

bool holds_networks(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / kLandmarks, ignored);
}

// The folder that holds this library.
fs::path own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&find_face_folder), &info) == 0 ||
      info.dli_fname == nullptr) {
    return {};
  }
  std::error_code error;
  const auto path = fs::canonical(info.dli_fname, error);
  return error ? fs::path() : path.parent_path();
}

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> folders;
  const auto own = own_folder();
  if (!own.empty()) folders = {own / "models/face", own.parent_path() / "models/face"};
  // lib/ and lib/TRIPLET/ of an installation that was moved
  for (auto prefix = own.parent_path(); prefix.has_relative_path() && folders.size() < 4;
       prefix = prefix.parent_path()) {
    folders.push_back(prefix / "share/latentsync/models/face");
  }
  folders.emplace_back(fs::path(kInstalledModels) / "face");
  return folders;
}

}  // namespace

fs::path find_face_folder(const std::string& given) {
  if (!given.empty()) {
    if (holds_networks(given)) return fs::canonical(given);
    throw Error(ErrorCode::kNotFound, "The folder of the face networks, \"" + given + "\", lacks " +
                                          kLandmarks + ". Set it to models/face of latentsync.");
  }
  std::string tried;
  for (const auto& folder : usual_folders()) {
    if (holds_networks(folder)) return fs::canonical(folder);
    tried += (tried.empty() ? "\"" : ", \"") + folder.string() + "\"";
  }
  throw Error(ErrorCode::kNotFound, std::string("The face networks (") + kLandmarks +
                                        ") are missing: they are in none of " + tried +
                                        ". Reinstall latentsync.");
}

}  // namespace latentsync::lipsync
