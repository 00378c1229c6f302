#include "tests/support/weights.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;

uint64_t fnv1a64(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// pos_encoder.pe [1, positions, d]: sin on even, cos on odd columns.
void fill_temporal_encoding(float* out, int64_t positions, int64_t d) {
  for (int64_t position = 0; position < positions; ++position) {
    for (int64_t k = 0; k < d; ++k) {
      const double angle =
          position * std::exp(-static_cast<double>(k / 2 * 2) * std::log(10000.0) / d);
      out[position * d + k] = static_cast<float>(k % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
}

// encoder.positional_embedding [positions, d]: sin in the first half of the columns, cos in the
// second.
void fill_whisper_encoding(float* out, int64_t positions, int64_t d) {
  const int64_t half = d / 2;
  for (int64_t t = 0; t < positions; ++t) {
    for (int64_t k = 0; k < half; ++k) {
      const double angle = t * std::exp(-std::log(10000.0) / (half - 1) * k);
      out[t * d + k] = static_cast<float>(std::sin(angle));
      out[t * d + half + k] = static_cast<float>(std::cos(angle));
    }
  }
}

}  // namespace

at::Tensor generate_weight(const std::string& name, at::IntArrayRef shape, uint64_t seed) {
  const at::Tensor out = at::empty(shape, at::kFloat);
  float* data = out.mutable_data_ptr<float>();
  if (name.ends_with("pos_encoder.pe")) {
    fill_temporal_encoding(data, shape[1], shape[2]);
    return out;
  }
  if (name.ends_with("encoder.positional_embedding")) {
    fill_whisper_encoding(data, shape[0], shape[1]);
    return out;
  }
  double offset = 0;
  double scale = 0.05;
  if (!name.ends_with(".bias")) {
    if (shape.size() == 1) {
      offset = 1;
      scale = 0.1;
    } else {
      int64_t fan_in = 1;
      for (size_t i = 1; i < shape.size(); ++i) fan_in *= shape[i];
      scale = std::sqrt(3.0 / static_cast<double>(fan_in));
    }
  }
  const uint64_t key = mix(fnv1a64(name) + seed * kGolden);
  at::parallel_for(0, out.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto n = static_cast<int64_t>(mix(key + static_cast<uint64_t>(i + 1) * kGolden) >> 40);
      data[i] = static_cast<float>(offset + scale * (static_cast<double>(n - (1 << 23)) * 0x1p-23));
    }
  });
  return out;
}

Manifest read_manifest(const std::filesystem::path& path) {
  std::ifstream stream(path);
  const auto json = nlohmann::json::parse(stream);
  Manifest manifest;
  for (const auto& entry : json.at("params")) {
    manifest.params.push_back({entry.at("name"), entry.at("shape").get<std::vector<int64_t>>()});
  }
  if (json.contains("dims")) manifest.dims = json.at("dims").get<std::map<std::string, int64_t>>();
  return manifest;
}

model::TensorMap generate_weights(const Manifest& manifest, uint64_t seed) {
  model::TensorMap tensors;
  for (const auto& [name, shape] : manifest.params) {
    tensors.emplace(name, generate_weight(name, shape, seed));
  }
  return tensors;
}

}  // namespace latentsync::test
