#pragma once

#include "core/engine.h"

#include <exception>
#include <utility>

namespace latentsync::lipsync {

/// The exception that is being handled, as the value that goes through the interface; to be called
/// inside a catch block. Beside what current_error() knows, it recognises LibTorch's way of saying
/// that the machine's own memory ran out.
Failure current_failure() noexcept;

/// What ran out of memory while rendering, with what to lower; other failures as they are.
Failure rendering_failure(Failure failure) noexcept;

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
