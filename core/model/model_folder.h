#pragma once

#include "core/model/config.h"

#include <filesystem>
#include <optional>

namespace latentsync::model {

/// The two halves of TAESD.
struct TaesdFiles {
  std::filesystem::path encoder;
  std::filesystem::path decoder;
};

/// The files of a model folder; none is opened yet, but config.json is read.
struct ModelFolder {
  std::filesystem::path path;
  std::filesystem::path unet;                ///< latentsync_unet.pt or .safetensors
  std::filesystem::path whisper;             ///< whisper/tiny.pt or .safetensors
  std::optional<std::filesystem::path> vae;  ///< the one vae/*.safetensors that is no taesd_*
  std::optional<TaesdFiles> taesd;           ///< vae/taesd_{encoder,decoder}.safetensors
  ConfigFile config;                         ///< says nothing where there is no config.json
};

/// What a model's audio encoder alone is read from.
struct EncoderFiles {
  std::filesystem::path whisper;  ///< whisper/tiny.pt or .safetensors
  ConfigFile config;              ///< says nothing where there is no config.json
};

/// Finds them below FOLDER, whatever else a model needs and may be missing. Errors: find_model's.
EncoderFiles find_encoder(const std::filesystem::path& folder);

/// Finds a model's files below FOLDER; at least one of the two autoencoders is there.
/// Errors: kNotFound, naming the file that is missing and where it belongs; kInvalidArgument when
/// two files could be meant; kUnreadable when FOLDER is no folder or cannot be read; those of
/// ConfigFile::read.
ModelFolder find_model(const std::filesystem::path& folder);

}  // namespace latentsync::model
