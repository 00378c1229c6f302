#include "tests/support/golden.h"

#include "tests/support/weights.h"

#include <algorithm>
#include <cstdlib>

namespace latentsync::test {

std::filesystem::path golden_dir() {
  const char* given = std::getenv("LATENTSYNC_GOLDEN_DIR");
  return given != nullptr && *given != '\0' ? std::filesystem::path(given)
                                            : std::filesystem::path(LATENTSYNC_SOURCE_GOLDEN_DIR);
}

model::TensorFile golden(const std::string& relative_path) {
  return model::open_tensor_file(golden_dir() / relative_path);
}

std::vector<std::filesystem::path> golden_files(const std::string& folder,
                                                const std::string& prefix) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(golden_dir() / folder)) {
    if (entry.path().filename().string().starts_with(prefix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

model::TensorMap golden_weights(const std::string& folder, const std::string& name, uint64_t seed) {
  const auto stored = golden_dir() / folder / (name + ".safetensors");
  if (std::filesystem::exists(stored)) return model::open_tensor_file(stored).tensors;
  return generate_weights(read_manifest(golden_dir() / folder / "manifest.json"), seed);
}

}  // namespace latentsync::test
