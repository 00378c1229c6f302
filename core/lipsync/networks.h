#pragma once

#include "core/audio/whisper_encoder.h"
#include "core/engine.h"
#include "core/face/follow.h"
#include "core/lipsync/residency.h"
#include "core/memory/dry_run.h"
#include "core/model/config.h"
#include "core/model/file_identity.h"
#include "core/model/model_folder.h"
#include "core/nn/unet3d.h"
#include "core/nn/vae.h"

#include <compare>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace latentsync::lipsync {

/// Files in a state that they were in; none for one that was not there.
using FileStates =
    std::vector<std::pair<std::filesystem::path, std::optional<model::FileIdentity>>>;

/// What ModelSettings mean on this machine: files, device, precision. Nothing is loaded yet.
struct ModelSource {
  model::ModelFolder folder;
  model::ModelConfig config;
  std::filesystem::path face_folder;
  c10::Device device = c10::kCPU;
  c10::ScalarType dtype = c10::kFloat;
  model::VaeType vae = model::VaeType::kFull;

  /// All files that are read, config.json and those of the face networks included.
  std::vector<std::filesystem::path> files() const;
  /// Those in the state that they are in now.
  FileStates file_states() const;
  /// Equal for sources of one model, in the state that its files are in now: another one once a
  /// file was replaced. The folders have no symbolic links in them.
  std::string key() const;
  /// Of all files that are read.
  int64_t file_bytes() const;
};

/// Errors: those of find_model(), find_device() and model_config(); kNotFound where the asked
/// autoencoder or a face network is missing, naming it.
ModelSource find_source(const ModelSettings& settings);

/// The networks, ready for inference, and what the model is.
struct Networks {
  std::shared_ptr<nn::UNet3D> unet;
  std::shared_ptr<nn::Vae> vae;
  std::shared_ptr<audio::WhisperEncoder> whisper;
  std::shared_ptr<const face::FaceFollower> faces;
  std::shared_ptr<Residency> residency;  ///< null: all stay on the device
  diffusion::DdimOptions scheduler;
  audio::BlockFill audio_block_fill = audio::BlockFill::kZeros;
  c10::Device device = c10::kCPU;
  c10::ScalarType dtype = c10::kFloat;
  bool copies_frames = false;  ///< those in system memory go to the device: it is no processor
  ModelInfo info;
  /// Of what was read; empty where a file was replaced meanwhile.
  FileStates files;
};

/// What the files' headers say of a model.
struct ModelHeaders {
  memory::NetworkConfigs configs;
  ModelInfo info;  ///< without weight_bytes
};

/// Nothing is read but headers. Errors: those of load_networks() that need no weights.
ModelHeaders read_headers(const ModelSource& source);

/// PROGRESS: 0 to 1, and what is being loaded. STOP is looked at between tensors. Errors: those of
/// core/model's readers; kForeignModel where the networks do not fit each other; kUnsupported for
/// an autoencoder that does not shrink by 8; kCancelled.
Networks load_networks(const ModelSource& source, std::stop_token stop,
                       const std::function<void(double, const char*)>& progress);

}  // namespace latentsync::lipsync
