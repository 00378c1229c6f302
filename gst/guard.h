#pragma once

#include "core/engine.h"
#include "gst/latentsync.h"

/// No exception of ours goes through a C frame: it would end the process.
namespace latentsync {

/// The exception that is being handled, as a value; to be called inside a catch block.
Failure current_failure();

/// Posts it as the element's one error; likewise, with no lock held.
void post_exception(GstLatentsync* self);

/// The element's function FUNCTION as C may call it: what it throws is posted, and FAILED returned.
/// What it was to take over may be leaked then.
template <auto kFunction, auto kFailed>
struct Guarded;

template <typename Return, typename Class, typename... Arguments,
          Return (*kFunction)(Class*, Arguments...), auto kFailed>
struct Guarded<kFunction, kFailed> {
  static Return call(Class* self, Arguments... arguments) noexcept {
    try {
      return kFunction(self, arguments...);
    } catch (...) {
      post_exception(GST_LATENTSYNC(self));
      return kFailed;
    }
  }
};

}  // namespace latentsync
