#pragma once

#include "core/audio/block_fill.h"
#include "core/diffusion/ddim_options.h"
#include "core/model/tensor_file.h"
#include "core/nn/config.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

/// Configurations: what the shapes of a checkpoint say, completed by what they cannot say from
/// config.json. What both say must agree.
///
/// Errors of all functions here: kForeignModel where file and config.json disagree (naming the key
/// and both values) or the file's tensors are not this network's (naming the tensor and both
/// shapes); kUnsupported, naming the key, for what this implementation does not do;
/// kDamagedFile for a config.json that is no JSON, or a value of the wrong type or out of range.
namespace latentsync::model {

/// A config.json: either of a model folder, with the sections "unet", "vae", "whisper" and
/// "scheduler", or one of those sections alone, as diffusers writes them.
class ConfigFile {
 public:
  /// One that says nothing.
  ConfigFile() = default;

  /// Errors: kNotFound, kUnreadable, kDamagedFile (over 1 MB, too).
  static ConfigFile read(const std::filesystem::path& path);
  static ConfigFile parse(const std::string& text, const std::string& origin);

  /// Where it came from, for messages.
  const std::string& origin() const noexcept { return origin_; }
  /// Null when nothing is said.
  const nlohmann::json* contents() const noexcept { return json_.get(); }

 private:
  std::string origin_;
  std::shared_ptr<const nlohmann::json> json_;
};

/// STATE as unet_state() gives it; ORIGIN is its file. Not in the shapes: attention_head_dim (the
/// number of heads; 8), norm_num_groups (32), norm_eps (1e-5),
/// motion_module_kwargs.num_attention_heads (8).
nn::UNet3DConfig unet_config(const TensorMap& state, const std::string& origin,
                             const ConfigFile& config = {});

/// STATE as vae_state() gives it. Not in the shapes: norm_num_groups (32), scaling_factor
/// (0.18215), shift_factor (0).
nn::AutoencoderKLConfig vae_config(const TensorMap& state, const std::string& origin,
                                   const ConfigFile& config = {});

/// STATE as whisper_encoder_state() gives it, INTEGERS those of its file ("dims.n_audio_head").
/// Not in the shapes: n_audio_head; where nobody says it, n_audio_state / 64.
nn::WhisperConfig whisper_config(const TensorMap& state, const std::string& origin,
                                 const std::map<std::string, int64_t>& integers = {},
                                 const ConfigFile& config = {});

enum class VaeType { kFull, kTiny };

/// What the published checkpoints were trained for, where config.json says nothing.
inline constexpr int64_t kPublishedResolution = 512;
inline constexpr int64_t kPublishedInferenceSteps = 20;
inline constexpr int64_t kPublishedFeatureCache = 3;

/// What config.json says beside the networks; empty where it says nothing.
struct ModelConfig {
  std::optional<std::string> name;
  std::optional<int64_t> resolution;       ///< 128 ... 1024, a multiple of 64
  std::optional<int64_t> inference_steps;  ///< 1 ... 999
  std::optional<double> guidance_scale;    ///< 1 ... 3
  std::optional<int64_t> num_frames;       ///< in a window, 1 ... 24
  std::optional<int64_t> seed;             ///< -1 ...
  std::optional<int64_t> feature_cache;    ///< DeepCache interval, 0 ... 10
  std::optional<VaeType> vae;              ///< vae.type: "taesd" (tiny) or "kl" (full)
  /// "audio_block_fill" ("zeros", "silence"): what the model was trained with; the published
  /// checkpoints with zeros.
  audio::BlockFill audio_block_fill = audio::BlockFill::kZeros;
  /// "scheduler", by the names of diffusers' DDIMScheduler.
  diffusion::DdimOptions scheduler;

  bool operator==(const ModelConfig&) const = default;
};

ModelConfig model_config(const ConfigFile& config);

/// The three networks must fit each other: the UNet takes 3 latents and a mask and gives one
/// latent, and its cross-attention is as wide as the audio encoder. ORIGIN is the UNet's file.
void check_networks_fit(const nn::UNet3DConfig& unet, int64_t latent_channels,
                        const nn::WhisperConfig& whisper, const std::string& origin);

}  // namespace latentsync::model
