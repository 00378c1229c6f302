#include "examples/transcode/input_copy.h"

#include "examples/transcode/input_file.h"
#include "examples/transcode/problem.h"
#include "examples/transcode/standstill.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace latentsync::transcode {
namespace {

/// Large and on a disk, unlike /tmp.
constexpr char kFolder[] = "/var/tmp";

std::string folder_for_copies() {
  const char* folder = std::getenv("TMPDIR");
  return folder == nullptr || *folder == 0 ? kFolder : folder;
}

Problem no_copy(const std::string& input, const std::string& folder, int reason) {
  return Problem(input + ": cannot be copied to " + folder + ": " + std::strerror(reason) +
                     "; set TMPDIR to a folder with room",
                 status_of_system(reason));
}

/// A file without a name.
Descriptor make_file(const std::string& input, const std::string& folder) {
  int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string name = folder + "/latentsync-XXXXXX";
    file = ::mkostemp(name.data(), O_CLOEXEC);
    if (file >= 0) {
      ::unlink(name.c_str());
    }
  }
  if (file < 0) {
    throw no_copy(input, folder, errno);
  }
  return Descriptor(file);
}

bool write_all(int file, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(file, data, size);
    if (written < 0 && errno != EINTR) {
      return false;
    }
    data += written > 0 ? written : 0;
    size -= written > 0 ? size_t(written) : 0;
  }
  return true;
}

/// Waits for what a pipe's other end writes.
void wait_for_data(const std::string& input, int pipe) {
  pollfd waited{.fd = pipe, .events = POLLIN, .revents = 0};
  const auto milliseconds = int(std::chrono::milliseconds(patience()).count());
  if (::poll(&waited, 1, milliseconds) == 0) {
    throw Problem(
        input + ": nothing was written to this pipe for " + std::to_string(patience().count()) +
            " s; see to the program at its other end, or set LATENTSYNC_PATIENCE=SECONDS to "
            "wait longer",
        kTryAgain);
  }
}

void copy_all(const std::string& input, const std::string& folder, int from, int to) {
  std::vector<char> part(1 << 18);
  for (;;) {
    wait_for_data(input, from);
    const ssize_t count = ::read(from, part.data(), part.size());
    if (count == 0) {
      return;
    }
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      throw Problem(input + ": cannot be read: " + std::strerror(errno));
    }
    if (count > 0 && !write_all(to, part.data(), size_t(count))) {
      throw no_copy(input, folder, errno);
    }
  }
}

}  // namespace

InputCopy::InputCopy(const std::string& input, const std::function<void(const std::string&)>& say) {
  const std::string path = pipe_of(input);
  if (path.empty()) {
    return;
  }
  // A pipe that nobody has opened for writing would be waited for here, without an end.
  const Descriptor pipe(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!pipe) {
    throw Problem(input + ": cannot be read: " + std::strerror(errno));
  }
  const std::string folder = folder_for_copies();
  copy_ = make_file(input, folder);
  say(input + " can be read only once: copied to a temporary file in " + folder);
  copy_all(input, folder, pipe.number(), copy_.number());
  place_ = "/proc/self/fd/" + std::to_string(copy_.number());
}

}  // namespace latentsync::transcode
