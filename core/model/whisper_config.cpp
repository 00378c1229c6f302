#include "core/error.h"
#include "core/model/config.h"
#include "core/model/config_section.h"
#include "core/model/shapes.h"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

namespace latentsync::model {

nn::WhisperConfig whisper_config(const TensorMap& state, const std::string& origin,
                                 const std::map<std::string, int64_t>& integers,
                                 const ConfigFile& config) {
  constexpr int64_t kHeadWidth = 64;   // of all of OpenAI's models
  constexpr int64_t kFewestRows = 20;  // of audio at once: frames take ten
  const Shapes shapes(state, origin);
  nn::WhisperConfig whisper;
  const auto conv1 = shapes.get("conv1.weight", {kAnySize, kAnySize, 3});
  whisper.n_audio_state = conv1[0];
  whisper.n_mels = conv1[1];
  whisper.n_audio_ctx = shapes.get("positional_embedding", {kAnySize, whisper.n_audio_state})[0];
  if (whisper.n_audio_ctx < kFewestRows) {
    throw Error(ErrorCode::kForeignModel, "The model file \"" + origin +
                                              "\" has an audio encoder of " +
                                              std::to_string(whisper.n_audio_ctx) +
                                              " positions, too few for a frame's audio. Use "
                                              "Whisper's tiny.pt.");
  }
  whisper.n_audio_layer = std::max<int64_t>(1, shapes.count("blocks.", ".attn.query.weight"));
  shapes.get("blocks.0.attn.query.weight", {whisper.n_audio_state, whisper.n_audio_state});

  // The .pt's own dims and config.json are asked the same questions.
  nlohmann::json dims = nlohmann::json::object();
  for (const auto& [name, value] : integers) {
    if (name.starts_with("dims.")) dims[name.substr(5)] = value;
  }
  std::optional<int64_t> heads;
  for (ConfigSection section : {ConfigSection(&dims, "dims", origin, origin),
                                ConfigSection::of(config, "whisper", "n_audio_state", origin)}) {
    section.agree("n_mels", whisper.n_mels);
    section.agree("n_audio_ctx", whisper.n_audio_ctx);
    section.agree("n_audio_state", whisper.n_audio_state);
    section.agree("n_audio_layer", whisper.n_audio_layer);
    if (heads) section.agree("n_audio_head", *heads);
    heads = heads ? heads : section.integer("n_audio_head", 1, 1024);
    section.ignore(
        {"n_audio_head", "n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer"});
    section.refuse_the_rest();
  }
  whisper.n_audio_head = heads.value_or(whisper.n_audio_state / kHeadWidth);
  if (whisper.n_audio_head < 1 || whisper.n_audio_state % whisper.n_audio_head != 0) {
    throw Error(ErrorCode::kForeignModel,
                "The model file \"" + origin + "\" has an audio encoder of width " +
                    std::to_string(whisper.n_audio_state) + ", which is not divisible by " +
                    std::to_string(whisper.n_audio_head) +
                    " heads. Set whisper.n_audio_head in config.json.");
  }
  return whisper;
}

}  // namespace latentsync::model
