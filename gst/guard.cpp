#include "gst/guard.h"

#include "gst/latentsync_private.h"

#include <exception>
#include <new>

namespace latentsync {

Failure current_failure() {
  try {
    throw;
  } catch (const std::bad_alloc& error) {
    return {ErrorCode::kOutOfMemory,
            "The machine's memory ran out. Free some; audio-context=sliding and a smaller "
            "window-frames need less.",
            error.what()};
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, "The element failed. Please report this with the log.",
            error.what()};
  }
}

void post_exception(GstLatentsync* self) { post_failure(self, current_failure()); }

}  // namespace latentsync
