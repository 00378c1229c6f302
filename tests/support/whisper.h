#pragma once

#include "core/audio/whisper_encoder.h"
#include "core/model/tensor_file.h"

#include <memory>

/// Audio encoders for tests, on the run's device and in its precision.
namespace latentsync::test {

/// An encoder with these weights (OpenAI's names; a decoder in them is left out).
std::shared_ptr<audio::WhisperEncoder> whisper_encoder(const nn::WhisperConfig& config,
                                                       const model::TensorMap& weights);

/// An encoder with the generator's weights, for tests of behaviour: width 16, one layer.
std::shared_ptr<audio::WhisperEncoder> small_whisper_encoder();

/// The golden set's encoder (whisper/): stored weights, or generated ones with the reference's own
/// float32 position embedding, as the set has them.
std::shared_ptr<audio::WhisperEncoder> golden_whisper_encoder();

}  // namespace latentsync::test
