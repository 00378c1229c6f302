#pragma once

#include <glib.h>
#include <string_view>

/// How the process ends, for scripts and schedulers (docs/transcode.md has the table). What failed
/// is distinguished by what a retry would do; all decisions about that are made in exit_status.cpp.
namespace latentsync::transcode {

enum ExitStatus {
  kWhole = 0,          ///< the output is whole
  kFailed = 1,         ///< there is no output
  kUsage = 2,          ///< the command line is wrong, nothing was begun
  kNoRetry = 3,        ///< an input, the model or the plan is at fault: a retry fails likewise
  kDoesNotFit = 4,     ///< into the memory: there is no output
  kTryAgain = 75,      ///< what was busy, lost or full may be there again (EX_TEMPFAIL)
  kInterrupted = 130,  ///< Ctrl-C: what there is plays, but it is not all
  kTerminated = 143,   ///< SIGTERM: likewise
};

/// Of an error of the element, by the field "cause" of its details.
ExitStatus status_of_cause(std::string_view cause);

/// Of a system call that failed while something was written, by its errno.
ExitStatus status_of_system(int reason);

/// Of an error of GStreamer while FILE was read: kNoRetry for what the file itself is, else
/// kFailed.
ExitStatus status_of_reading(const GError* error);

/// Of an error of GStreamer while the output was written.
ExitStatus status_of_writing(const GError* error);

/// Of a batch in which one clip ended with ONE and another one with OTHER: the one that a retry is
/// most likely to mend, and never kWhole where one failed.
ExitStatus status_of_both(ExitStatus one, ExitStatus other);

}  // namespace latentsync::transcode
