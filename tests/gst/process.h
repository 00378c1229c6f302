#pragma once

#include <string>

namespace latentsync::test {

struct Finished {
  int status = -1;     ///< of its exit; 128 + n after signal n
  std::string output;  ///< standard output and standard error
};

/// Runs a shell command.
Finished run_process(const std::string& command);

}  // namespace latentsync::test
