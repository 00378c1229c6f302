#pragma once

#include "examples/transcode/problem.h"

#include <string>

namespace latentsync::transcode {

/// What went wrong, for the user.
struct Complaint {
  std::string sentence;
  ExitStatus status = kFailed;
};

/// Of the exception that is being handled.
Complaint current_complaint();

/// Prints it; returns its status.
ExitStatus complain(const Complaint& complaint);

}  // namespace latentsync::transcode
