#include "core/error.h"
#include "core/model/config.h"

#include <string>

#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

/// The config.json of the demo model, without what describes its UNet.
constexpr const char* kDemo = R"({
  "name": "latentsync-demo", "resolution": 128, "video_fps": 25, "audio_sample_rate": 16000,
  "num_frames": 16, "audio_feat_length": [2, 2], "inference_steps": 8, "guidance_scale": 1.5,
  "seed": 1247, "feature_cache": 3,
  "vae": {"type": "taesd", "latent_channels": 4, "scaling_factor": 1.0, "shift_factor": 0.0,
          "image_range": [0, 1]},
  "scheduler": {"_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
                "beta_start": 0.00085, "clip_sample": false, "num_train_timesteps": 1000,
                "set_alpha_to_one": false, "steps_offset": 1, "trained_betas": null,
                "skip_prk_steps": true, "prediction_type": "epsilon"},
  "alignment": {"face_mesh_points": {}}})";

ErrorCode code_of(const std::string& text, const std::string& mentions = "") {
  try {
    model_config(ConfigFile::parse(text, "/m/config.json"));
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("/m/config.json"), std::string::npos) << message;
    EXPECT_NE(message.find(mentions), std::string::npos) << message << " lacks " << mentions;
    return error.code();
  }
  ADD_FAILURE() << "accepted: " << text;
  return ErrorCode::kInternal;
}

// Everything that a model folder's config.json says arrives.
TEST(ModelConfig, DemoModel) {
  const auto model = model_config(ConfigFile::parse(kDemo, "c"));
  EXPECT_EQ(model.name, "latentsync-demo");
  EXPECT_EQ(model.resolution, 128);
  EXPECT_EQ(model.num_frames, 16);
  EXPECT_EQ(model.inference_steps, 8);
  EXPECT_EQ(model.guidance_scale, 1.5);
  EXPECT_EQ(model.seed, 1247);
  EXPECT_EQ(model.feature_cache, 3);
  EXPECT_EQ(model.vae, VaeType::kTiny);
  EXPECT_EQ(model.scheduler, diffusion::DdimOptions{});
}

// What stands behind the audio in a block is the model's own: zeros where nothing is said.
TEST(ModelConfig, AudioBlockFill) {
  const auto fill = [](const std::string& text) {
    return model_config(ConfigFile::parse(text, "c")).audio_block_fill;
  };
  EXPECT_EQ(fill("{}"), audio::BlockFill::kZeros);
  EXPECT_EQ(fill(R"({"audio_block_fill": "zeros"})"), audio::BlockFill::kZeros);
  EXPECT_EQ(fill(R"({"audio_block_fill": "silence"})"), audio::BlockFill::kSilence);
}

// Nothing said gives nothing but the scheduler's defaults.
TEST(ModelConfig, NothingSaid) {
  EXPECT_EQ(model_config({}), ModelConfig{});
  EXPECT_EQ(model_config(ConfigFile::parse("{}", "c")), ModelConfig{});
}

// The scheduler's numbers are taken where they differ from the defaults.
TEST(ModelConfig, Scheduler) {
  const auto scheduler =
      model_config(ConfigFile::parse(R"({"scheduler": {"num_train_timesteps": 500,
        "beta_start": 0.001, "beta_end": 0.02, "beta_schedule": "linear", "steps_offset": 0,
        "set_alpha_to_one": true}})",
                                     "c"))
          .scheduler;
  EXPECT_EQ(scheduler, (diffusion::DdimOptions{.num_train_timesteps = 500,
                                               .beta_start = 0.001,
                                               .beta_end = 0.02,
                                               .beta_schedule = diffusion::BetaSchedule::kLinear,
                                               .steps_offset = 0,
                                               .set_alpha_to_one = true}));
}

// Values out of range or of another type are refused with their key.
TEST(ModelConfig, RangesAreChecked) {
  for (const std::string entry :
       {"\"resolution\": 64", "\"resolution\": 1088", "\"resolution\": 200",
        "\"resolution\": \"256\"", "\"resolution\": 256.5", "\"inference_steps\": 0",
        "\"inference_steps\": 1000", "\"guidance_scale\": 0.5", "\"guidance_scale\": 3.5",
        "\"num_frames\": 0", "\"num_frames\": 25", "\"seed\": -2", "\"seed\": 18446744073709551615",
        "\"feature_cache\": 11", "\"name\": 5", "\"vae\": 5", "\"scheduler\": []"}) {
    const std::string key = entry.substr(1, entry.find('"', 1) - 1);
    EXPECT_EQ(code_of("{" + entry + "}", key), ErrorCode::kDamagedFile) << entry;
  }
}

// What the pipeline or the reference's DDIM does not do is refused by name.
TEST(ModelConfig, UnsupportedValuesAreRefusedByName) {
  for (const std::string entry :
       {"\"video_fps\": 30", "\"audio_sample_rate\": 44100", "\"audio_feat_length\": [3, 3]",
        "\"audio_block_fill\": \"noise\""}) {
    const std::string key = entry.substr(1, entry.find('"', 1) - 1);
    EXPECT_EQ(code_of("{" + entry + "}", key), ErrorCode::kUnsupported) << entry;
  }
  for (const std::string entry :
       {"\"clip_sample\": true", "\"prediction_type\": \"v_prediction\"",
        "\"beta_schedule\": \"squaredcos_cap_v2\"", "\"timestep_spacing\": \"trailing\"",
        "\"rescale_betas_zero_snr\": true", "\"thresholding\": true", "\"trained_betas\": [0.1]",
        "\"eta\": 1", "\"_class_name\": \"PNDMScheduler\"", "\"algorithm_type\": \"x\""}) {
    const std::string key = entry.substr(1, entry.find('"', 1) - 1);
    EXPECT_EQ(code_of("{\"scheduler\": {" + entry + "}}", key), ErrorCode::kUnsupported) << entry;
  }
  EXPECT_EQ(code_of(R"({"vae": {"type": "vq"}})", "vae.type"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(R"({"vae": {"type": "taesd", "latent_channels": 16}})", "latent_channels"),
            ErrorCode::kUnsupported);
}

// What is no JSON object is refused, however deeply it is nested.
TEST(ModelConfig, WhatIsNoConfigIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{} x"),
        "{\"a\":" + std::string(100'000, '['), "{\"a\":\"" + std::string(2 << 20, 'x') + "\"}"}) {
    EXPECT_EQ(code_of(text), ErrorCode::kDamagedFile);
  }
}

// The networks of one folder must fit each other.
TEST(ModelConfig, NetworksMustFit) {
  const nn::UNet3DConfig unet;
  const nn::WhisperConfig whisper;
  EXPECT_NO_THROW(check_networks_fit(unet, 4, whisper, "u.pt"));
  EXPECT_THROW(check_networks_fit(unet, 16, whisper, "u.pt"), Error);
  nn::WhisperConfig base = whisper;
  base.n_audio_state = 512;
  EXPECT_THROW(check_networks_fit(unet, 4, base, "u.pt"), Error);
}

}  // namespace
}  // namespace latentsync::model
