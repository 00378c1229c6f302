#include "gst/guard.h"

#include <exception>
#include <new>
#include <system_error>

namespace latentsync {

Failure current_failure() {
  try {
    throw;
  } catch (const std::bad_alloc& error) {
    return {ErrorCode::kOutOfMemory,
            "The machine's memory ran out. Free some; audio-context=sliding and a smaller "
            "window-frames need less.",
            error.what()};
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again) {
      return {ErrorCode::kOutOfMemory,
              "No more threads can be started (ulimit -u, or the limit of a container). Raise the "
              "limit, or end other programs of this user.",
              error.what()};
    }
    return {ErrorCode::kInternal, "The element failed. Please report this with the log.",
            error.what()};
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, "The element failed. Please report this with the log.",
            error.what()};
  }
}

}  // namespace latentsync
