#include "core/lipsync/failure.h"

#include <string>

namespace latentsync::lipsync {
namespace {

// In the text of the c10::Error that LibTorch's allocator of system memory throws.
constexpr char kSystemAllocator[] = "DefaultCPUAllocator";

}  // namespace

Failure current_failure() noexcept {
  try {
    const Error error = current_error();
    if (error.code() == ErrorCode::kInternal &&
        error.detail().find(kSystemAllocator) != std::string::npos) {
      return {ErrorCode::kOutOfMemory, "The machine's memory ran out.", error.detail()};
    }
    return {error.code(), error.what(), error.detail()};
  } catch (...) {
    return {ErrorCode::kOutOfMemory, {}, {}};  // not even the message could be made
  }
}

Failure rendering_failure(Failure failure) noexcept {
  if (failure.code != ErrorCode::kOutOfMemory) return failure;
  try {
    failure.message =
        "Memory ran out while a window was rendered. Lower batch-size to 1, then resolution, then "
        "window-frames, or free memory.";
  } catch (...) {
    failure.message.clear();
  }
  return failure;
}

void raise(const Failure& failure) { throw Error(failure.code, failure.message, failure.detail); }

}  // namespace latentsync::lipsync
