#pragma once

#include "core/engine.h"

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <c10/core/Device.h>

namespace latentsync::lipsync {

/// The exception that is being handled, as the value that goes through the interface; to be called
/// inside a catch block. Beside what current_error() knows, it recognises LibTorch's way of saying
/// that the machine's own memory ran out.
Failure current_failure() noexcept;

/// Whether a failure of kInternal with this DETAIL is what cuDNN and cuBLAS make of memory that ran
/// out: they say it for other causes, too, so ask whether memory did run out meanwhile.
bool may_hide_memory(std::string_view detail);

/// A failure, and whether it is that memory ran out which the same work may do with less of.
struct DeviceFailure {
  Failure failure;
  /// The device's memory ran out; on a CPU that is the machine's, or what the session may take of
  /// it. Memory of the machine beside another device is not meant.
  bool out_of_device_memory = false;
  /// Others that give some back can help: it is not the session's own budget that is used up.
  bool others_can_help = false;
};

/// The exception that is being handled, as current_failure() has it; to be called inside a catch
/// block. SHORTAGES: what memory_shortages() was when the work on DEVICE began.
DeviceFailure current_device_failure(c10::Device device, int64_t shortages) noexcept;

/// What ran out of memory while loading, with how much was needed: FILE_BYTES of address space for
/// the mapped files beside the weights, in PRECISION on DEVICE; other failures as they are.
Failure loading_failure(Failure failure, int64_t file_bytes, const std::string& precision,
                        const std::string& device) noexcept;

/// What ran out of memory while rendering, with what to lower and, where PLAN has rungs, what the
/// one in force needs; other failures as they are.
Failure rendering_failure(Failure failure, const RenderSettings& settings,
                          const MemoryPlan& plan = {}) noexcept;

/// That PLAN fits nowhere: kOutOfMemory, with what would fit.
Error refusal_of(const MemoryPlan& plan);

/// The exception of a failure that came through an interface.
[[noreturn]] void raise(const Failure& failure);

/// Nothing is thrown through the interface: WORK's result, or its exception as a value.
template <typename Work>
auto guarded(Work&& work) noexcept -> Result<decltype(work())> {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    return current_failure();
  }
}

}  // namespace latentsync::lipsync
