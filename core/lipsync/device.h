#pragma once

#include "core/engine.h"

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace latentsync::lipsync {

/// The device that NAME (auto, cpu, cuda, cuda:N) means on this machine; auto is a CUDA device
/// where there is one. Errors: kInvalidArgument for another name; kDevice where the CUDA device is
/// not there or this build has no kernels for it: never another one instead.
c10::Device find_device(const std::string& name);

/// auto: float32 on the CPU, which every machine has (only some compute in bfloat16, the others
/// emulate it), and on CUDA float16, as the model was trained and is run by others.
c10::ScalarType find_precision(Precision precision, c10::Device device);

/// float32, bfloat16, float16.
std::string precision_name(c10::ScalarType dtype);

/// Waits until the device has done what this thread has asked of it.
void synchronize(c10::Device device);

/// Results do not depend on what DEVICE rounds away: for CUDA, TensorFloat-32 is switched off in the
/// whole process, once. A CPU has none, and nothing is changed.
void use_exact_arithmetic(c10::Device device);

}  // namespace latentsync::lipsync
