#pragma once

#include <string>
#include <sys/types.h>

namespace latentsync::test {

struct Finished {
  int status = -1;     ///< of its exit; 128 + n after signal n
  std::string output;  ///< standard output and standard error
};

/// Runs a shell command.
Finished run_process(const std::string& command);

/// A program that runs while this lives; then it is killed.
class Running {
 public:
  /// A shell command that ends with "exec PROGRAM".
  explicit Running(const std::string& command);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  pid_t id_ = 0;
};

}  // namespace latentsync::test
