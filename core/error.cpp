#include "core/error.h"

#include <exception>
#include <new>

#include <c10/util/Exception.h>

namespace latentsync {

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::OutOfMemoryError& error) {
    return {ErrorCode::kOutOfMemory,
            "The device's memory ran out. Set vram-budget lower, a smaller window-frames or "
            "batch-size, or free the device.",
            error.what_without_backtrace()};
  } catch (const c10::AcceleratorError& error) {
    return {ErrorCode::kDevice,
            "The device failed. Look at its state with nvidia-smi; device=cpu works without it.",
            error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    return {ErrorCode::kInternal, "The engine failed. Please report this with the log.",
            error.what_without_backtrace()};
  } catch (const std::bad_alloc& error) {
    return {ErrorCode::kOutOfMemory, "The machine's memory ran out.", error.what()};
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, "The engine failed. Please report this with the log.",
            error.what()};
  } catch (...) {
    return {ErrorCode::kInternal, "The engine failed. Please report this with the log.",
            "an exception of no known type"};
  }
}

}  // namespace latentsync
