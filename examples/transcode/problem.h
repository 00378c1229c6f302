#pragma once

#include "examples/transcode/exit_status.h"
#include "examples/transcode/handles.h"

#include <stdexcept>
#include <string>

namespace latentsync::transcode {

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

/// PATH cannot be written, for the system's REASON (errno).
Problem cannot_write(const std::string& path, int reason);

/// TIME as messages give it, "1.234 s".
std::string seconds_text(GstClockTime time);

/// "Text of this kind" on one line.
std::string one_line(std::string text);

}  // namespace latentsync::transcode
