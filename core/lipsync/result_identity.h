#pragma once

#include <string>

#include <c10/core/Device.h>

namespace latentsync::lipsync {

/// What decides the bits of a result beside the input, the model and the settings: this build of
/// the engine, LibTorch with its libraries, and what they choose their kernels by: DEVICE's name
/// and abilities, and the number of threads. Equal texts: equal bits.
std::string result_identity(c10::Device device);

}  // namespace latentsync::lipsync
