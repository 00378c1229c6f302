#include "tests/gst/process.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <sys/wait.h>

namespace latentsync::test {

Finished run_process(const std::string& command) {
  std::string setting = "exec 2>&1 </dev/null; ";
  // A program that was built without a sanitizer opens a plugin that was built with one.
  if (const char* runtime = std::getenv("LATENTSYNC_CHILD_PRELOAD")) {
    setting += "export LD_PRELOAD='" + std::string(runtime) + "' ASAN_OPTIONS=detect_leaks=0; ";
  }
  FILE* pipe = popen((setting + command).c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  Finished finished;
  std::array<char, 4096> part;
  while (const size_t count = fread(part.data(), 1, part.size(), pipe)) {
    finished.output.append(part.data(), count);
  }
  const int status = pclose(pipe);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

Running::Running(const std::string& command) {
  const Finished started = run_process("(" + command + ") >/dev/null 2>&1 & echo $!");
  id_ = std::atoi(started.output.c_str());
}

Running::~Running() {
  if (id_ > 0) kill(id_, SIGKILL);
}

}  // namespace latentsync::test
