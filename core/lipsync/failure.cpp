#include "core/lipsync/failure.h"

#include "core/lipsync/device.h"

#include <new>
#include <string>
#include <string_view>

#include <c10/util/Exception.h>

namespace latentsync::lipsync {
namespace {

// In the text of the c10::Error that LibTorch's allocator of system memory throws.
constexpr char kSystemAllocator[] = "DefaultCPUAllocator";

// In the text of an account that has reached its limit (core/memory/account.h).
constexpr char kBudget[] = "of a budget of";

// Whether the exception that is being handled says that the machine's own memory ran out.
bool is_of_the_machine() {
  try {
    throw;
  } catch (const c10::Error& error) {
    const std::string_view text = error.what_without_backtrace();
    return text.find(kSystemAllocator) != text.npos && text.find(kBudget) == text.npos;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    return false;
  }
}

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

DeviceFailure current_device_failure(c10::Device device, int64_t shortages) noexcept {
  DeviceFailure result{current_failure()};
  auto& failure = result.failure;
  if (memory_shortages() > shortages && may_hide_memory(failure.detail)) {
    failure.code = ErrorCode::kOutOfMemory;
  }
  const bool machine = is_of_the_machine();
  const bool out_of_memory = failure.code == ErrorCode::kOutOfMemory;
  result.out_of_device_memory = out_of_memory && (device.is_cpu() || !machine);
  result.others_can_help = out_of_memory && device.is_cpu() == machine;
  return result;
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

Failure rendering_failure(Failure failure, const RenderSettings& settings,
                          const MemoryPlan& plan) noexcept {
  if (failure.code != ErrorCode::kOutOfMemory) return failure;
  try {
    std::string what = "Memory ran out while a window was rendered";
    if (!plan.ladder.empty() && plan.rung().peak > 0) {
      const auto& rung = plan.rung();
      what += ", though all that saves memory was tried: \"" + rung.rung.name + "\" needs about " +
              std::to_string(rung.peak >> 20) + " MiB";
      if (plan.budget > 0) what += " of " + std::to_string(plan.budget >> 20) + " MiB";
    }
    failure.message =
        what + (settings.attention == Attention::kStandard
                    ? ". attention-mode=standard takes the most: set it to flex or flash; then "
                      "lower batch-size to 1, resolution, window-frames, or free memory."
                    : ". Lower batch-size to 1, then resolution, then window-frames, or free "
                      "memory.");
  } catch (...) {
    failure.message.clear();
  }
  return failure;
}

Error refusal_of(const MemoryPlan& plan) {
  return {ErrorCode::kOutOfMemory, plan.advice,
          "budget " + std::to_string(plan.budget) + ", the least " +
              std::to_string(plan.rung().peak) + " bytes"};
}

void raise(const Failure& failure) { throw Error(failure.code, failure.message, failure.detail); }

}  // namespace latentsync::lipsync
