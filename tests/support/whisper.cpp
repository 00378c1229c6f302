#include "tests/support/whisper.h"

#include "core/model/state_dict.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/weights.h"

#include <fstream>

#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

constexpr char kPrefix[] = "encoder.";
constexpr char kPositions[] = "encoder.positional_embedding";

}  // namespace

std::shared_ptr<audio::WhisperEncoder> whisper_encoder(const nn::WhisperConfig& config,
                                                       const model::TensorMap& weights) {
  auto encoder = std::make_shared<audio::WhisperEncoder>(config);
  model::TensorMap own;
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(kPrefix)) own.emplace(name.substr(sizeof(kPrefix) - 1), tensor);
  }
  own.emplace("positional_embedding", encoder->named_buffers().at("positional_embedding").clone());
  model::load_state(*encoder, own, "test weights", test_device(), test_precision());
  return encoder;
}

std::shared_ptr<audio::WhisperEncoder> small_whisper_encoder() {
  const nn::WhisperConfig config{.n_audio_state = 16, .n_audio_head = 2, .n_audio_layer = 1};
  const audio::WhisperEncoder shapes(config);
  model::TensorMap weights;
  for (const auto& item : shapes.named_parameters()) {
    const auto name = kPrefix + item.key();
    weights.emplace(name, generate_weight(name, item.value().sizes(), 1));
  }
  return whisper_encoder(config, weights);
}

std::shared_ptr<audio::WhisperEncoder> golden_whisper_encoder() {
  std::ifstream stream(golden_dir() / "whisper/dims.json");
  const auto dims = nlohmann::json::parse(stream);
  const nn::WhisperConfig config{.n_mels = dims.at("n_mels"),
                                 .n_audio_ctx = dims.at("n_audio_ctx"),
                                 .n_audio_state = dims.at("n_audio_state"),
                                 .n_audio_head = dims.at("n_audio_head"),
                                 .n_audio_layer = dims.at("n_audio_layer")};
  auto weights = golden_weights("whisper", "whisper_tinytest");
  // Generated: the module's own table is the reference's.
  if (!std::filesystem::exists(golden_dir() / "whisper/whisper_tinytest.safetensors")) {
    weights.erase(kPositions);
  }
  return whisper_encoder(config, weights);
}

}  // namespace latentsync::test
