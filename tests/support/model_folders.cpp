#include "tests/support/model_folders.h"

#include "core/audio/whisper_encoder.h"
#include "tests/support/golden.h"
#include "tests/support/safetensors_writer.h"

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

nlohmann::json read_json(const std::string& name) {
  std::ifstream stream(golden_dir() / name);
  return nlohmann::json::parse(stream);
}

// As golden_whisper_encoder() has them: a generated position embedding is not the reference's, the
// module's own is.
model::TensorMap whisper_weights(const nlohmann::json& dims) {
  auto weights = golden_weights("whisper", "whisper_tinytest");
  if (!std::filesystem::exists(golden_dir() / "whisper/whisper_tinytest.safetensors")) {
    const audio::WhisperEncoder encoder({.n_mels = dims.at("n_mels"),
                                         .n_audio_ctx = dims.at("n_audio_ctx"),
                                         .n_audio_state = dims.at("n_audio_state"),
                                         .n_audio_head = dims.at("n_audio_head"),
                                         .n_audio_layer = dims.at("n_audio_layer")});
    weights["encoder.positional_embedding"] =
        encoder.named_buffers().at("positional_embedding").clone();
  }
  return weights;
}

}  // namespace

GoldenModelFolder::GoldenModelFolder(const nlohmann::json& settings) {
  const auto& folder = folder_.path();
  std::filesystem::create_directories(folder / "whisper");
  std::filesystem::create_directories(folder / "vae");
  const auto dims = read_json("whisper/dims.json");
  write_safetensors(folder / "latentsync_unet.safetensors", golden_weights("unet", "unet_tiny"));
  write_safetensors(folder / "whisper/tiny.safetensors", whisper_weights(dims));
  write_safetensors(folder / "vae/vae_tiny.safetensors", golden_weights("vae", "vae_tiny"));
  nlohmann::json config = settings;
  config["unet"] = read_json("unet/config.json");
  config["vae"] = read_json("vae/config.json");
  for (const char* key :
       {"n_mels", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"}) {
    config["whisper"][key] = dims.at(key);
  }
  std::ofstream(folder / "config.json") << config;
}

}  // namespace latentsync::test
