#include "core/error.h"

#include <exception>
#include <new>
#include <string_view>

#include <c10/util/Exception.h>

namespace latentsync {
namespace {

Error out_of_device_memory(const c10::Error& error) {
  return {ErrorCode::kOutOfMemory,
          "The device's memory ran out. Free memory, use a smaller model, or set device=cpu.",
          error.what_without_backtrace()};
}

// CUDA and its libraries say it in words, by exceptions that they throw for anything else, too.
bool tells_of_memory(const c10::Error& error) {
  const std::string_view text = error.what_without_backtrace();
  return text.find("out of memory") != text.npos || text.find("ALLOC_FAILED") != text.npos;
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_device_memory(error);
  } catch (const c10::AcceleratorError& error) {
    if (tells_of_memory(error)) return out_of_device_memory(error);
    return {ErrorCode::kDevice,
            "The device failed. Check its state with nvidia-smi, or set device=cpu.",
            error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    if (tells_of_memory(error)) return out_of_device_memory(error);
    return {ErrorCode::kInternal, "The engine failed. Please report this with the log.",
            error.what_without_backtrace()};
  } catch (const std::bad_alloc& error) {
    return {ErrorCode::kOutOfMemory, "The machine's memory ran out.", error.what()};
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, "The engine failed. Please report this with the log.",
            error.what()};
  } catch (...) {
    return {ErrorCode::kInternal, "The engine failed. Please report this with the log.",
            "an exception of unknown type"};
  }
}

}  // namespace latentsync
