#pragma once

#include "core/model/model_folder.h"
#include "tests/support/temporary_folder.h"

#include <optional>

namespace latentsync::test {

/// A model of the published sizes, 5.5 GB, in the layout in which LatentSync is published; the
/// weights are those of the golden set's recipe (real/*_manifest.json, the seed of real/info.json).
///
/// It lies in $LATENTSYNC_REAL_MODEL_DIR, where what is there already is taken as it is and
/// everything stays; without that, in a temporary folder that goes with the object.
class RealModel {
 public:
  /// Writes what is missing, one tensor in memory at a time. Throws std::runtime_error when the
  /// disk has no room for it or cannot be written.
  RealModel();

  /// As core/model finds it.
  const model::ModelFolder& folder() const { return folder_; }

 private:
  std::optional<TemporaryFolder> temporary_;
  model::ModelFolder folder_;
};

/// Whether the golden set has the real sizes at all.
bool has_real_goldens();

}  // namespace latentsync::test
