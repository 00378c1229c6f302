#pragma once

#include "core/model/tensor_file.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// The deterministic weight generator of the golden data (tests/data/golden/README.md, "Weight
/// generator").
namespace latentsync::test {

/// The float32 tensor of this name, shape and seed.
at::Tensor generate_weight(const std::string& name, at::IntArrayRef shape, uint64_t seed);

struct ManifestEntry {
  std::string name;
  std::vector<int64_t> shape;
};

/// {"params": [{"name", "shape"}, ...], "dims": {...}}
struct Manifest {
  std::vector<ManifestEntry> params;
  std::map<std::string, int64_t> dims;  ///< Whisper only
};

Manifest read_manifest(const std::filesystem::path& path);

/// All tensors of a manifest.
model::TensorMap generate_weights(const Manifest& manifest, uint64_t seed);

}  // namespace latentsync::test
