#pragma once

#include <cstdlib>
#include <filesystem>

namespace latentsync::test {

/// $LATENTSYNC_MODELS_DIR, for tests that were built in another place, else models/ of the source
/// tree.
inline std::filesystem::path models_dir() {
  const char* given = std::getenv("LATENTSYNC_MODELS_DIR");
  return given != nullptr && *given != '\0' ? given : LATENTSYNC_SOURCE_MODELS_DIR;
}

}  // namespace latentsync::test
