#pragma once

#include "examples/transcode/arguments.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

enum class JobState {
  kWaiting,      ///< not begun
  kMade,         ///< rendered
  kKept,         ///< it was there and whole
  kFailed,       ///< there is no output
  kInterrupted,  ///< the output ends early
};

/// What became of a clip.
struct Job {
  Clip clip;
  JobState state = JobState::kWaiting;
  std::string problem;  ///< why it failed; else empty
  guint64 frames = 0;   ///< that were rendered
  double seconds = 0;   ///< that this took
};

/// Whether --jobs-report can be written to FILE; leaves it as it is. Throws Problem: it cannot.
void check_jobs_report(const std::string& file);

/// Writes --jobs-report; a regular file is replaced at once. Throws Problem: it cannot be written.
void write_jobs_report(const std::string& file, const std::vector<Job>& jobs);

}  // namespace latentsync::transcode
