#pragma once

#include "core/engine.h"

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace latentsync::lipsync {

/// The exception that is being handled, as the value that goes through the interface; to be called
/// inside a catch block. Beside what current_error() knows, it recognises LibTorch's way of saying
/// that the machine's own memory ran out.
Failure current_failure() noexcept;

/// Whether a failure of kInternal with this DETAIL is what cuDNN and cuBLAS make of memory that ran
/// out: they say it for other causes, too, so ask whether memory did run out meanwhile.
bool may_hide_memory(std::string_view detail);

/// A failure, and whether it is that the device's memory ran out: then the same work may succeed
/// when it needs less, or when others have given some back. Memory of the machine beside a device
/// is not meant; on a CPU the device's memory is what the engine may take of it.
struct DeviceFailure {
  Failure failure;
  bool out_of_device_memory = false;
};

/// The exception that is being handled, as current_failure() has it; to be called inside a catch
/// block. SHORTAGES: what memory_shortages() was when the work began.
DeviceFailure current_device_failure(int64_t shortages) noexcept;

/// What ran out of memory while loading, with how much was needed: FILE_BYTES of address space for
/// the mapped files beside the weights, in PRECISION on DEVICE; other failures as they are.
Failure loading_failure(Failure failure, int64_t file_bytes, const std::string& precision,
                        const std::string& device) noexcept;

/// What ran out of memory while rendering, with what to lower and, where PLAN has rungs, what the
/// one in force needs; other failures as they are.
Failure rendering_failure(Failure failure, const RenderSettings& settings,
                          const MemoryPlan& plan = {}) noexcept;

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
