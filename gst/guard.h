#pragma once

#include "core/engine.h"

namespace latentsync {

/// The exception that is being handled, as a value; to be called inside a catch block. No exception
/// goes through a C frame: it would end the process.
Failure current_failure();

}  // namespace latentsync
