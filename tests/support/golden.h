#pragma once

#include "core/model/tensor_file.h"

#include <filesystem>
#include <string>
#include <vector>

/// Access to golden data: inputs and outputs of the reference, stage by stage
/// (tests/data/golden/README.md).
namespace latentsync::test {

/// $LATENTSYNC_GOLDEN_DIR, else tests/data/golden of the source tree.
std::filesystem::path golden_dir();

/// A golden safetensors file, e.g. "mel/mel.safetensors".
model::TensorFile golden(const std::string& relative_path);

/// The files of a golden folder whose names begin with PREFIX, sorted; so that a set with other
/// shapes is tested whole.
std::vector<std::filesystem::path> golden_files(const std::string& folder,
                                                const std::string& prefix);

/// The weights of a golden model: FOLDER/NAME.safetensors where the set stores them, else made by
/// the generator from FOLDER/manifest.json with SEED (the project's own copy stores none: they are
/// megabytes and made in no time).
model::TensorMap golden_weights(const std::string& folder, const std::string& name,
                                uint64_t seed = 1);

}  // namespace latentsync::test
