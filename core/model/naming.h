#pragma once

#include "core/model/tensor_file.h"

#include <string>
#include <vector>

/// From the names that checkpoints use to the names that core/nn's and core/audio's modules have.
/// Tensors stay views of the file. What does not belong to the part that is asked for (an
/// optimiser, Whisper's text decoder, the rest of a Stable Diffusion checkpoint) is left out; names
/// that are merely unknown stay, for load_state to refuse them. LEFT_OUT gets the names of those
/// that lie among the network's own and are known to be no weights (core/model/extra_tensors.h).
/// Errors: kForeignModel, naming the file, when two names mean the same tensor or when the part is
/// not there at all.
namespace latentsync::model {

/// LatentSync's UNet: flat, or in "state_dict"; with or without "module." (distributed training).
/// The names are those of the reference's UNet3DConditionModel.
TensorMap unet_state(const TensorFile& file, std::vector<std::string>* left_out = nullptr);

/// Whisper's audio encoder: OpenAI's names, flat or in "model_state_dict". The result has no
/// "encoder." in front ("conv1.weight", "blocks.0.attn.query.weight", ...).
TensorMap whisper_encoder_state(const TensorFile& file,
                                std::vector<std::string>* left_out = nullptr);

/// AutoencoderKL: diffusers' names, also with the attention of before diffusers 0.18
/// (query/key/value/proj_attn), or the original ones (encoder.down.N.block.M), with or without
/// "first_stage_model.". The result has diffusers' names of today, attention weights [C, C].
TensorMap vae_state(const TensorFile& file, std::vector<std::string>* left_out = nullptr);

/// What TENSORS look like, for messages ("Whisper", "the UNet of Stable Diffusion, not of
/// LatentSync", ...); empty when they look like nothing known.
std::string describe_model(const TensorMap& tensors);

/// Throws kForeignModel: `The model file "ORIGIN" does not fit: WHAT.`, and what TENSORS look like.
[[noreturn]] void refuse_foreign(const std::string& origin, const std::string& what,
                                 const TensorMap& tensors);

}  // namespace latentsync::model
