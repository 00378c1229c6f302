#pragma once

#include "examples/transcode/problem.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Signals that end the process: Ctrl-C (SIGINT), SIGTERM, SIGUSR1 (what Slurm's --signal sends
/// before the time is up), SIGHUP (unless it is ignored, as with nohup) and SIGXCPU.
namespace latentsync::transcode {

/// To be called once, before threads are started. From then on such a signal ends the process at
/// once, with one line and the status of the last Farewell, or stopped_status(). Signals that kill
/// for other reasons remove its files too.
void handle_signals();

/// Of a process that the first signal has stopped: kTerminated by SIGTERM and SIGUSR1, kInterrupted
/// by another one.
ExitStatus stopped_status() noexcept;

/// Ends the process in the same way.
[[noreturn]] void end_interrupted();
/// Ends it with LINE in place of the one about the signal, and STATUS. For what no cleaning up
/// can be waited for.
[[noreturn]] void end_failed(std::string_view line, ExitStatus status);

/// While one lives, the first signal is counted instead; the second one ends the process.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static int count();
};

/// What is said and removed when the process is ended at once while this lives; of several, the
/// last one made.
class Farewell {
 public:
  /// STATE: of the work, on the line that says that it was interrupted. FILES: to be removed.
  /// STATUS: of the process; none: stopped_status().
  Farewell(const std::string& state, std::vector<std::string> files,
           std::optional<ExitStatus> status = {});
  ~Farewell();
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  /// Whether one lives.
  static bool pending() noexcept;
  /// The next two: in signal handlers.
  static ExitStatus say() noexcept;
  static void remove_files() noexcept;

 private:
  std::string line_;
  std::vector<std::string> files_;
  std::optional<ExitStatus> status_;
  const Farewell* before_;
};

}  // namespace latentsync::transcode
