#pragma once

#include "tests/support/temporary_folder.h"

#include <string>

#include <nlohmann/json_fwd.hpp>

/// Whole model folders for tests of the engine.
namespace latentsync::test {

/// The tiny networks of the golden set as a model folder: latentsync_unet, whisper/tiny and
/// vae/vae_tiny, and a config.json with their configurations and what SETTINGS (an object) adds to
/// it at its top level. Removed with the object.
class GoldenModelFolder {
 public:
  explicit GoldenModelFolder(const nlohmann::json& settings);

  std::string path() const { return folder_.path().string(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace latentsync::test
