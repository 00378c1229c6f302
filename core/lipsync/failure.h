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

/// What ran out of memory while loading, with how much was needed: FILE_BYTES of address space for
/// the mapped files beside the weights, in PRECISION on DEVICE; other failures as they are.
Failure loading_failure(Failure failure, int64_t file_bytes, const std::string& precision,
                        const std::string& device) noexcept;

/// What ran out of memory while rendering, with what to lower; other failures as they are.
Failure rendering_failure(Failure failure, const RenderSettings& settings) noexcept;

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
