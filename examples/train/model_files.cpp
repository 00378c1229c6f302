#include "examples/train/model_files.h"

#include "core/error.h"
#include "core/model/config.h"
#include "core/model/model_folder.h"
#include "core/model/naming.h"
#include "core/model/state_dict.h"
#include "examples/train/audio_windows.h"
#include "examples/train/storage.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace latentsync::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The levels' scales, of those whose up blocks have motion modules.
json motion_resolutions(const nn::UNet3DConfig& config) {
  json resolutions = json::array();
  const auto levels = config.motion_up_blocks.size();
  for (size_t level = 0; level < levels; ++level) {
    if (config.motion_up_blocks[levels - 1 - level]) resolutions.push_back(1 << level);
  }
  return resolutions;
}

json unet_json(const nn::UNet3DConfig& config) {
  json down = json::array(), up = json::array();
  for (const bool attends : config.cross_attention_blocks) {
    down.push_back(attends ? "CrossAttnDownBlock3D" : "DownBlock3D");
    up.insert(up.begin(), attends ? "CrossAttnUpBlock3D" : "UpBlock3D");
  }
  const json motion = {{"num_attention_heads", config.motion_heads},
                       {"num_transformer_block", config.motion_transformer_blocks},
                       {"attention_block_types",
                        json(std::vector<std::string>(config.motion_attentions, "Temporal_Self"))},
                       {"temporal_position_encoding", true},
                       {"temporal_position_encoding_max_len", config.motion_max_frames},
                       {"temporal_attention_dim_div", 1},
                       {"zero_initialize", true}};
  return {{"in_channels", config.in_channels},
          {"out_channels", config.out_channels},
          {"act_fn", "silu"},
          {"add_audio_layer", true},
          {"attention_head_dim", config.attention_heads},
          {"block_out_channels", config.block_out_channels},
          {"center_input_sample", false},
          {"cross_attention_dim", config.cross_attention_dim},
          {"down_block_types", down},
          {"mid_block_type", "UNetMidBlock3DCrossAttn"},
          {"up_block_types", up},
          {"downsample_padding", 1},
          {"flip_sin_to_cos", true},
          {"freq_shift", 0},
          {"layers_per_block", config.layers_per_block},
          {"mid_block_scale_factor", 1},
          {"norm_eps", config.norm_eps},
          {"norm_num_groups", config.norm_groups},
          {"resnet_time_scale_shift", "default"},
          {"use_motion_module", true},
          {"motion_module_resolutions", motion_resolutions(config)},
          {"motion_module_mid_block", config.motion_mid_block},
          {"motion_module_decoder_only", std::ranges::count(config.motion_down_blocks, true) == 0},
          {"motion_module_type", "Vanilla"},
          {"motion_module_kwargs", motion}};
}

json config_json(const ModelShape& shape) {
  const auto& whisper = shape.whisper;
  return {{"name", shape.name},
          {"resolution", shape.edge},
          {"video_fps", 25},
          {"audio_sample_rate", 16000},
          {"num_frames", 16},
          {"audio_feat_length", {2, 2}},
          {"audio_block_fill", kBlockFill == audio::BlockFill::kSilence ? "silence" : "zeros"},
          {"inference_steps", shape.inference_steps},
          {"guidance_scale", shape.guidance},
          {"feature_cache", shape.feature_cache},
          {"seed", 1247},
          {"unet", unet_json(shape.unet)},
          {"vae",
           {{"type", "taesd"},
            {"latent_channels", 4},
            {"scaling_factor", 1},
            {"shift_factor", 0},
            {"image_range", {0, 1}}}},
          {"whisper",
           {{"n_mels", whisper.n_mels},
            {"n_audio_ctx", whisper.n_audio_ctx},
            {"n_audio_state", whisper.n_audio_state},
            {"n_audio_head", whisper.n_audio_head},
            {"n_audio_layer", whisper.n_audio_layer}}},
          {"scheduler",
           {{"_class_name", "DDIMScheduler"},
            {"beta_start", 0.00085},
            {"beta_end", 0.012},
            {"beta_schedule", "scaled_linear"},
            {"clip_sample", false},
            {"num_train_timesteps", 1000},
            {"set_alpha_to_one", false},
            {"steps_offset", 1},
            {"prediction_type", "epsilon"}}}};
}

model::TensorMap for_file(const model::TensorMap& weights, const nn::Module& module,
                          const std::string& prefix) {
  model::TensorMap result;
  for (const auto& [name, tensor] : weights) result[prefix + name] = tensor.to(at::kHalf);
  for (const auto& item : module.named_buffers()) {
    result[prefix + item.key()] = item.value().to(at::kHalf);
  }
  return result;
}

}  // namespace

nn::WhisperConfig read_encoder_shape(const fs::path& folder) {
  const auto files = model::find_encoder(folder);
  const auto whisper = model::open_tensor_file(files.whisper);
  return model::whisper_config(model::whisper_encoder_state(whisper), files.whisper.string(),
                               whisper.integers, files.config);
}

ModelShape read_shape(const fs::path& folder) {
  const auto files = model::find_model(folder);
  const auto whole = model::model_config(files.config);
  const auto unet = model::open_tensor_file(files.unet);
  ModelShape shape;
  shape.unet = model::unet_config(model::unet_state(unet), files.unet.string(), files.config);
  shape.whisper = read_encoder_shape(folder);
  if (whole.scheduler != diffusion::DdimOptions()) {
    throw Error(ErrorCode::kUnsupported, "The trainer knows LatentSync's noise schedule only; \"" +
                                             files.config.origin() +
                                             "\" has another \"scheduler\".");
  }
  shape.edge = whole.resolution.value_or(model::kPublishedResolution);
  shape.inference_steps = whole.inference_steps.value_or(model::kPublishedInferenceSteps);
  shape.feature_cache = whole.feature_cache.value_or(model::kPublishedFeatureCache);
  shape.guidance = whole.guidance_scale.value_or(shape.guidance);
  shape.name = whole.name.value_or("latentsync");
  return shape;
}

void read_encoder(const fs::path& folder, audio::WhisperEncoder& encoder) {
  const auto path = model::find_encoder(folder).whisper;
  model::load_state(encoder, model::whisper_encoder_state(model::open_tensor_file(path)),
                    path.string());
}

void read_weights(const fs::path& folder, nn::UNet3D& unet, audio::WhisperEncoder& encoder) {
  const auto path = model::find_model(folder).unet;
  model::load_state(unet, model::unet_state(model::open_tensor_file(path)), path.string());
  read_encoder(folder, encoder);
}

void write_model(const fs::path& folder, const ModelShape& shape, const model::TensorMap& unet,
                 const nn::UNet3D& unet_module, const model::TensorMap& whisper,
                 const audio::WhisperEncoder& whisper_module, const fs::path& taesd) {
  write_safetensors(folder / "latentsync_unet.safetensors", for_file(unet, unet_module, ""));
  write_safetensors(folder / "whisper" / "tiny.safetensors",
                    for_file(whisper, whisper_module, "encoder."));
  fs::create_directories(folder / "vae");
  for (const char* half : {"taesd_encoder.safetensors", "taesd_decoder.safetensors"}) {
    fs::copy_file(taesd / half, folder / "vae" / half, fs::copy_options::overwrite_existing);
  }
  write_text(folder / "config.json", config_json(shape).dump(1) + "\n");
}

}  // namespace latentsync::train
