#include "core/error.h"
#include "core/model/config.h"
#include "core/model/config_section.h"

#include <limits>
#include <string>

#include <nlohmann/json.hpp>

namespace latentsync::model {
namespace {

diffusion::DdimOptions scheduler_options(const ConfigFile& config) {
  ConfigSection section = ConfigSection::of(config, "scheduler", "num_train_timesteps", "");
  diffusion::DdimOptions scheduler;
  scheduler.num_train_timesteps =
      section.integer("num_train_timesteps", 1, 100'000).value_or(scheduler.num_train_timesteps);
  scheduler.beta_start = section.number("beta_start", 1e-9, 0.999).value_or(scheduler.beta_start);
  scheduler.beta_end = section.number("beta_end", 1e-9, 0.999).value_or(scheduler.beta_end);
  section.only("beta_schedule", {"scaled_linear", "linear"});
  if (section.text("beta_schedule") == "linear") {
    scheduler.beta_schedule = diffusion::BetaSchedule::kLinear;
  }
  scheduler.steps_offset = section.integer("steps_offset", 0, scheduler.num_train_timesteps - 1)
                               .value_or(scheduler.steps_offset);
  scheduler.set_alpha_to_one =
      section.boolean("set_alpha_to_one").value_or(scheduler.set_alpha_to_one);
  // DDIM as the reference runs it knows no more than the above.
  section.only("clip_sample", {false});
  section.only("eta", {0});
  section.only("prediction_type", {"epsilon"});
  section.only("rescale_betas_zero_snr", {false});
  section.only("thresholding", {false});
  section.only("timestep_spacing", {"leading"});
  section.only("trained_betas", {});
  section.only("_class_name", {"DDIMScheduler"});
  section.ignore(
      {"clip_sample_range", "dynamic_thresholding_ratio", "sample_max_value", "skip_prk_steps"});
  section.refuse_the_rest();
  return scheduler;
}

std::optional<VaeType> vae_type(ConfigSection& whole) {
  ConfigSection section = whole.section("vae");
  section.only("type", {"taesd", "tiny", "kl", "full"});
  const auto type = section.text("type");
  if (!type) return std::nullopt;
  if (*type == "kl" || *type == "full") return VaeType::kFull;
  section.only("latent_channels", {4});
  section.only("scaling_factor", {1});
  section.only("shift_factor", {0});
  section.only("image_range", {nlohmann::json::array({0, 1})});
  section.refuse_the_rest();
  return VaeType::kTiny;
}

}  // namespace

ModelConfig model_config(const ConfigFile& config) {
  ConfigSection whole(config.contents(), "", config.origin(), "");
  ModelConfig model;
  model.name = whole.text("name");
  model.resolution = whole.integer("resolution", 128, 1024);
  if (model.resolution && *model.resolution % 64 != 0) {
    whole.refuse_value("resolution", "a multiple of 64");
  }
  model.inference_steps = whole.integer("inference_steps", 1, 999);
  model.guidance_scale = whole.number("guidance_scale", 1, 3);
  model.num_frames = whole.integer("num_frames", 1, 24);
  model.seed = whole.integer("seed", -1, std::numeric_limits<int64_t>::max());
  model.feature_cache = whole.integer("feature_cache", 0, 10);
  // What the network was trained with, and the pipeline is built for.
  whole.only("video_fps", {25});
  whole.only("audio_sample_rate", {16000});
  whole.only("audio_feat_length", {nlohmann::json::array({2, 2})});
  whole.only("audio_block_fill", {"zeros", "silence"});
  if (whole.text("audio_block_fill") == "silence") {
    model.audio_block_fill = audio::BlockFill::kSilence;
  }
  model.vae = vae_type(whole);
  model.scheduler = scheduler_options(config);
  return model;
}

void check_networks_fit(const nn::UNet3DConfig& unet, int64_t latent_channels,
                        const nn::WhisperConfig& whisper, const std::string& origin) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kForeignModel, "The UNet \"" + origin +
                                              "\" does not fit the other networks of its folder: " +
                                              what + ". Use the files of one model.");
  };
  const int64_t inputs = 3 * latent_channels + 1;
  if (unet.in_channels != inputs || unet.out_channels != latent_channels) {
    refuse("it takes " + std::to_string(unet.in_channels) + " channels and outputs " +
           std::to_string(unet.out_channels) + ", but latents of " +
           std::to_string(latent_channels) + " channels need " + std::to_string(inputs) + " and " +
           std::to_string(latent_channels));
  }
  if (unet.cross_attention_dim != whisper.n_audio_state) {
    refuse("its cross-attention is " + std::to_string(unet.cross_attention_dim) +
           " wide, the audio encoder " + std::to_string(whisper.n_audio_state));
  }
}

}  // namespace latentsync::model
