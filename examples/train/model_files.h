#pragma once

#include "core/audio/whisper_encoder.h"
#include "core/model/tensor_file.h"
#include "core/nn/unet3d.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace latentsync::train {

/// What a model is made of, beside its weights.
struct ModelShape {
  nn::UNet3DConfig unet;
  nn::WhisperConfig whisper;
  int64_t edge = 128;
  int64_t inference_steps = 2;
  double guidance = 1.5;
  int64_t feature_cache = 0;  ///< DeepCache's interval; with few steps it costs more than it saves
  std::string name = "latentsync-demo";
};

/// The shape of the model in FOLDER, to go on from. Errors: those of model::find_model and of the
/// configurations; kUnsupported for another noise schedule than LatentSync's.
ModelShape read_shape(const std::filesystem::path& folder);

/// Fills networks of that shape with its weights, float32 on the CPU.
void read_weights(const std::filesystem::path& folder, nn::UNet3D& unet,
                  audio::WhisperEncoder& encoder);

/// The same for its audio encoder alone.
nn::WhisperConfig read_encoder_shape(const std::filesystem::path& folder);
void read_encoder(const std::filesystem::path& folder, audio::WhisperEncoder& encoder);

/// Writes a model folder that core/model loads: float16 weights of both networks (names as the
/// modules have them, with their buffers), config.json, and copies of TAESD's files.
void write_model(const std::filesystem::path& folder, const ModelShape& shape,
                 const model::TensorMap& unet, const nn::UNet3D& unet_module,
                 const model::TensorMap& whisper, const audio::WhisperEncoder& whisper_module,
                 const std::filesystem::path& taesd);

}  // namespace latentsync::train
