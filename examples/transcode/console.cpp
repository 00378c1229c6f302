#include "examples/transcode/console.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

ssize_t write_some(std::string_view text) noexcept {
  const size_t size = std::min<size_t>(text.size(), PIPE_BUF);
  // Of a socket, poll() says no more than that there is some room.
  const ssize_t sent = ::send(STDERR_FILENO, text.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent < 0 && errno == ENOTSOCK ? ::write(STDERR_FILENO, text.data(), size) : sent;
}

}  // namespace

bool error_is_writable(std::chrono::milliseconds patience) noexcept {
  pollfd file = {.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  // Of a pipe it says that PIPE_BUF bytes go in without a wait.
  const int ready = ::poll(&file, 1, int(patience.count()));
  return ready > 0 && (file.revents & POLLOUT) != 0 && (file.revents & (POLLERR | POLLNVAL)) == 0;
}

bool write_error(std::string_view text, std::chrono::milliseconds patience) noexcept {
  const int before = errno;
  while (!text.empty() && error_is_writable(patience)) {
    const ssize_t written = write_some(text);
    if (written > 0) {
      text.remove_prefix(size_t(written));
    } else if (written == 0 || (errno != EINTR && errno != EAGAIN)) {
      break;
    }
  }
  errno = before;
  return text.empty();
}

}  // namespace latentsync::transcode
