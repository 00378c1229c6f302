#include "core/model/config.h"

#include "core/error.h"
#include "core/model/naming.h"
#include "tests/support/golden.h"
#include "tests/support/weights.h"

#include <fstream>
#include <iterator>

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The tensors of a manifest with their shapes and no memory.
model::TensorMap shapes_of(const std::string& manifest) {
  const auto options = at::TensorOptions(at::kFloat);
  model::TensorMap tensors;
  for (const auto& [name, shape] : read_manifest(golden_dir() / manifest).params) {
    tensors.emplace(name, at::empty({1}, options).expand(shape));
  }
  return tensors;
}

struct Subject {
  std::string name;
  model::TensorMap state;
  std::string config;
};

/// The golden networks of a kind: the tiny one's manifest and config.json, the real one's manifest.
std::vector<Subject> subjects(const std::string& kind) {
  std::vector<Subject> result;
  result.push_back(
      {"tiny", shapes_of(kind + "/manifest.json"), read_text(golden_dir() / kind / "config.json")});
  const std::string real = "real/" + kind + "_manifest.json";
  if (std::filesystem::exists(golden_dir() / real)) {
    const auto manifest = nlohmann::json::parse(read_text(golden_dir() / real));
    result.push_back({"real", shapes_of(real), manifest.at("config").dump()});
  }
  return result;
}

// The UNet's configuration, from shapes and the reference's config together, is the reference's.
TEST(Config, UNetOfTheReference) {
  for (const auto& [name, state, text] : subjects("unet")) {
    SCOPED_TRACE(name);
    const auto json = nlohmann::json::parse(text);
    const auto unet = model::unet_config(state, name, model::ConfigFile::parse(text, "c.json"));
    EXPECT_EQ(unet.in_channels, json.at("in_channels"));
    EXPECT_EQ(unet.out_channels, json.at("out_channels"));
    EXPECT_EQ(nlohmann::json(unet.block_out_channels), json.at("block_out_channels"));
    EXPECT_EQ(unet.layers_per_block, json.at("layers_per_block"));
    EXPECT_EQ(unet.cross_attention_dim, json.at("cross_attention_dim"));
    EXPECT_EQ(unet.attention_heads, json.at("attention_head_dim"));
    EXPECT_EQ(unet.norm_groups, json.at("norm_num_groups"));
    EXPECT_EQ(unet.norm_eps, json.at("norm_eps"));
    const auto& motion = json.at("motion_module_kwargs");
    EXPECT_EQ(unet.motion_heads, motion.at("num_attention_heads"));
    EXPECT_EQ(unet.motion_transformer_blocks, motion.at("num_transformer_block"));
    EXPECT_EQ(unet.motion_attentions, motion.at("attention_block_types").size());
    EXPECT_EQ(unet.motion_max_frames, motion.at("temporal_position_encoding_max_len"));
    EXPECT_EQ(unet.motion_mid_block, json.at("motion_module_mid_block"));
    for (size_t i = 0; i < unet.cross_attention_blocks.size(); ++i) {
      EXPECT_EQ(unet.cross_attention_blocks[i],
                json.at("down_block_types")[i] == "CrossAttnDownBlock3D");
      EXPECT_EQ(unet.motion_down_blocks[i], !json.at("motion_module_decoder_only"));
      EXPECT_TRUE(unet.motion_up_blocks[i]);
    }
  }
}

// The VAE's configuration likewise.
TEST(Config, AutoencoderOfTheReference) {
  for (const auto& [name, state, text] : subjects("vae")) {
    SCOPED_TRACE(name);
    const auto json = nlohmann::json::parse(text);
    const auto vae = model::vae_config(state, name, model::ConfigFile::parse(text, "c.json"));
    EXPECT_EQ(nlohmann::json(vae.block_out_channels), json.at("block_out_channels"));
    EXPECT_EQ(vae.layers_per_block, json.at("layers_per_block"));
    EXPECT_EQ(vae.latent_channels, json.at("latent_channels"));
    EXPECT_EQ(vae.in_channels, json.at("in_channels"));
    EXPECT_EQ(vae.out_channels, json.at("out_channels"));
    EXPECT_EQ(vae.norm_groups, json.at("norm_num_groups"));
    EXPECT_EQ(vae.scaling_factor, json.value("scaling_factor", 0.18215));
  }
}

// Whisper's configuration comes from its shapes and the heads from its dims.
TEST(Config, WhisperOfTheReference) {
  for (const std::string manifest : {"whisper/manifest.json", "real/whisper_manifest.json"}) {
    if (!std::filesystem::exists(golden_dir() / manifest)) continue;
    SCOPED_TRACE(manifest);
    auto dims = read_manifest(golden_dir() / manifest).dims;
    if (dims.empty()) {
      dims = nlohmann::json::parse(read_text(golden_dir() / "whisper/dims.json"))
                 .get<std::map<std::string, int64_t>>();
    }
    std::map<std::string, int64_t> integers;
    for (const auto& [name, value] : dims) integers["dims." + name] = value;
    const model::TensorFile file{manifest, shapes_of(manifest), integers, {}};
    const auto whisper =
        model::whisper_config(model::whisper_encoder_state(file), manifest, integers);
    EXPECT_EQ(whisper.n_mels, dims.at("n_mels"));
    EXPECT_EQ(whisper.n_audio_ctx, dims.at("n_audio_ctx"));
    EXPECT_EQ(whisper.n_audio_state, dims.at("n_audio_state"));
    EXPECT_EQ(whisper.n_audio_head, dims.at("n_audio_head"));
    EXPECT_EQ(whisper.n_audio_layer, dims.at("n_audio_layer"));
  }
}

/// The error of reading the tiny golden UNet with KEY changed to VALUE (by JSON pointer).
std::pair<ErrorCode, std::string> error_with(const std::string& key, const nlohmann::json& value) {
  const Subject tiny = subjects("unet").front();
  auto json = nlohmann::json::parse(tiny.config);
  json[nlohmann::json::json_pointer(key)] = value;
  try {
    model::unet_config(tiny.state, "u.pt", model::ConfigFile::parse(json.dump(), "c.json"));
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ErrorCode::kInternal, "no error"};
}

// What config and file both say must agree; the message has the key, both values, both files.
TEST(Config, DisagreementsAreRefused) {
  for (const std::string key :
       {"/in_channels", "/out_channels", "/layers_per_block", "/cross_attention_dim",
        "/motion_module_kwargs/num_transformer_block",
        "/motion_module_kwargs/temporal_position_encoding_max_len"}) {
    const auto [code, message] = error_with(key, 77);
    EXPECT_EQ(code, ErrorCode::kForeignModel) << message;
    const std::string name = key.substr(key.rfind('/') + 1);
    for (const std::string& part :
         {name, std::string("77"), std::string("u.pt"), std::string("c.json")}) {
      EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
    }
  }
  EXPECT_EQ(error_with("/block_out_channels", {1, 2}).first, ErrorCode::kForeignModel);
  EXPECT_EQ(error_with("/use_motion_module", false).first, ErrorCode::kForeignModel);
  EXPECT_EQ(error_with("/attention_head_dim", 7).first, ErrorCode::kForeignModel);
  EXPECT_EQ(error_with("/norm_num_groups", 7).first, ErrorCode::kForeignModel);
  EXPECT_EQ(error_with("/motion_module_kwargs/num_attention_heads", 7).first,
            ErrorCode::kForeignModel);
}

// Frames take ten positions of the audio encoder, and blocks fade over a tenth of them.
TEST(Config, AudioEncodersOfAMomentAreRefused) {
  auto state = model::whisper_encoder_state({"w.pt", shapes_of("whisper/manifest.json"), {}, {}});
  auto& positions = state.at("positional_embedding");
  EXPECT_NO_THROW(model::whisper_config(state, "w.pt", {{"dims.n_audio_head", 3}}));
  positions = positions.narrow(0, 0, 1);
  EXPECT_THROW(model::whisper_config(state, "w.pt", {{"dims.n_audio_head", 3}}), Error);
}

// What this implementation does not do is refused by the key's name.
TEST(Config, UnsupportedFeaturesAreRefusedByName) {
  const std::pair<std::string, nlohmann::json> cases[] = {
      {"/use_linear_projection", true},
      {"/upcast_attention", true},
      {"/class_embed_type", "timestep"},
      {"/num_class_embeds", 10},
      {"/resnet_time_scale_shift", "scale_shift"},
      {"/act_fn", "gelu"},
      {"/motion_module_type", "Other"},
      {"/motion_module_kwargs/attention_block_types", {"Temporal_Cross", "Temporal_Self"}},
      {"/center_input_sample", true},
      {"/mid_block_scale_factor", 2},
      {"/flip_sin_to_cos", false},
      {"/freq_shift", 1},
      {"/dual_cross_attention", true},
      {"/only_cross_attention", true},
      {"/use_inflated_groupnorm", true},
      {"/add_audio_layer", false},
      {"/attention_head_dim", {8, 8, 8, 4}},
      {"/encoder_hid_dim", 5},
  };
  for (const auto& [key, value] : cases) {
    const auto [code, message] = error_with(key, value);
    EXPECT_EQ(code, ErrorCode::kUnsupported) << key << ": " << message;
    EXPECT_NE(message.find(key.substr(key.rfind('/') + 1)), std::string::npos) << message;
  }
}

// Values of the wrong type or out of range are a damaged config.
TEST(Config, WrongValuesAreRefused) {
  EXPECT_EQ(error_with("/norm_num_groups", "16").first, ErrorCode::kDamagedFile);
  EXPECT_EQ(error_with("/norm_num_groups", 0).first, ErrorCode::kDamagedFile);
  EXPECT_EQ(error_with("/norm_eps", -1).first, ErrorCode::kDamagedFile);
  EXPECT_EQ(error_with("/motion_module_kwargs", 3).first, ErrorCode::kDamagedFile);
}

}  // namespace
}  // namespace latentsync::test
