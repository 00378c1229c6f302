#pragma once

#include "core/error.h"

#include <gst/gst.h>

/// ErrorCode as GStreamer's messages have it.
namespace latentsync {

struct Domain {
  GQuark domain;
  int code;
};

Domain error_domain(ErrorCode code);

/// The field "cause" of a message's details.
const char* cause_of(ErrorCode code);

}  // namespace latentsync
