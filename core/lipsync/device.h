#pragma once

#include "core/engine.h"

#include <cstdint>
#include <filesystem>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace latentsync::lipsync {

/// The device that NAME (auto, cpu, cuda, cuda:N) means on this machine; auto is a CUDA device
/// where there is one. Errors: kInvalidArgument for another name; kDevice where the CUDA device is
/// not there or this build has no kernels for it: never another one instead.
c10::Device find_device(const std::string& name);

/// auto: on CUDA float16, as the published model was trained and is run by others. On a CPU
/// float32, the same result on every machine; but bfloat16 for a UNET of a gigabyte and more where
/// the CPU multiplies it in hardware: there it is measured to be about twice as fast and to take
/// half the memory (docs/performance.md).
c10::ScalarType find_precision(Precision precision, c10::Device device,
                               const std::filesystem::path& unet);

/// float32, bfloat16, float16.
std::string precision_name(c10::ScalarType dtype);

/// How often a CUDA device of this process has had no memory left for a tensor or a library's
/// workspace; each is counted, though LibTorch may have gone on without it. 0 without CUDA.
int64_t memory_shortages() noexcept;

/// Begins to count them, once; a CUDA device must be there.
void count_memory_shortages();

/// Gives back memory that is held for nobody: blocks that LibTorch's allocators keep to DEVICE,
/// free pages of the heap to the system. WORKSPACES: cuBLAS's too, 32 MiB a stream; only while no
/// model of the process computes.
void give_back_memory(c10::Device device, bool workspaces) noexcept;

/// Results do not depend on what DEVICE rounds away, on what else it does or on what was computed
/// before: for CUDA no TensorFloat-32, sums of half precision products in float32, cuDNN's
/// deterministic algorithms, chosen without trying which is the quickest. To be called at every
/// load: these are settings of the whole process's LibTorch. The engine brings its own copy, so an
/// application's PyTorch is not affected; where both use one, the engine's settings hold. A CPU
/// needs none of it, and nothing is changed.
void use_exact_arithmetic(c10::Device device);

}  // namespace latentsync::lipsync
