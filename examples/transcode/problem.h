#pragma once

#include "examples/transcode/handles.h"

#include <stdexcept>
#include <string>

namespace latentsync::transcode {

enum ExitStatus {
  kWhole = 0,          ///< the output is whole
  kFailed = 1,         ///< there is no output
  kUsage = 2,          ///< the command line is wrong, nothing was begun
  kDoesNotFit = 4,     ///< into the memory: there is no output
  kInterrupted = 130,  ///< Ctrl-C: what there is plays, but it is not all
  kTerminated = 143,   ///< SIGTERM: likewise
};

/// Why there is no output: one sentence for the user that says what to do.
class Problem : public std::runtime_error {
 public:
  explicit Problem(const std::string& sentence, ExitStatus status = kFailed)
      : std::runtime_error(sentence), status_(status) {}
  ExitStatus status() const noexcept { return status_; }

 private:
  ExitStatus status_;
};

/// What reading FILE came to, from an error message of a reading pipeline. MISSING: the caps that
/// no installed plugin reads, or empty.
Problem reading_problem(const std::string& file, GstMessage* error, const std::string& missing);

/// The same for the pipeline that writes FILE.
Problem rendering_problem(const std::string& file, GstMessage* error, const std::string& missing);

/// What is missing where MESSAGE is a missing-plugin message, with the Debian packages that may
/// have it; else empty.
std::string missing_plugin(GstMessage* message);

/// FILE needs a plugin that is not installed: MISSING.
Problem missing_plugin_problem(const std::string& file, const std::string& missing);

/// TIME as messages give it, "1.234 s".
std::string seconds_text(GstClockTime time);

/// "Text of this kind" on one line.
std::string one_line(std::string text);

}  // namespace latentsync::transcode
