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

bool may_hide_memory(std::string_view detail) {
  // cuDNN's plans are tried one after the other, those without room for their workspace too, until
  // none is left; cuBLAS' first call on a thread takes its memory.
  for (const std::string_view text :
       {"unable to find an engine to execute this computation", "CUDNN_STATUS_INTERNAL_ERROR",
        "CUDNN_STATUS_NOT_INITIALIZED", "CUBLAS_STATUS_NOT_INITIALIZED"}) {
    if (detail.find(text) != detail.npos) return true;
  }
  return false;
}

Failure loading_failure(Failure failure, int64_t file_bytes, const std::string& precision,
                        const std::string& device) noexcept {
  if (failure.code != ErrorCode::kOutOfMemory) return failure;
  try {
    const bool wide = precision == "float32";
    failure.message =
        "Memory ran out while the model was loaded in " + precision + " on " + device +
        ". Its files, " + std::to_string(file_bytes >> 20) +
        " MiB, are mapped while their weights are copied: free memory, raise the limits that the "
        "process has (ulimit -v counts both)" +
        (wide ? ", or set precision=bfloat16, which takes half." : ".");
  } catch (...) {
    failure.message.clear();
  }
  return failure;
}

Failure rendering_failure(Failure failure, const RenderSettings& settings) noexcept {
  if (failure.code != ErrorCode::kOutOfMemory) return failure;
  try {
    failure.message =
        settings.attention == Attention::kStandard
            ? "Memory ran out while a window was rendered. attention-mode=standard takes the most: "
              "set it to flex or flash; then lower batch-size to 1, resolution, window-frames, or "
              "free memory."
            : "Memory ran out while a window was rendered. Lower batch-size to 1, then resolution, "
              "then window-frames, or free memory.";
  } catch (...) {
    failure.message.clear();
  }
  return failure;
}

void raise(const Failure& failure) { throw Error(failure.code, failure.message, failure.detail); }

}  // namespace latentsync::lipsync
