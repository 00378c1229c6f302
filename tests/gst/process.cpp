#include "tests/gst/process.h"

#include <array>
#include <cstdio>
#include <stdexcept>
#include <sys/wait.h>

namespace latentsync::test {

Finished run_process(const std::string& command) {
  FILE* pipe = popen(("exec 2>&1 </dev/null; " + command).c_str(), "r");
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

}  // namespace latentsync::test
