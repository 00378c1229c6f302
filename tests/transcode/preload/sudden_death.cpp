// Preloaded into the command line: LATENTSYNC_KILL_AT=POINT:N kills it when it gets to a point for
// the N-th time (from 1), or sends it LATENTSYNC_SIGNAL. Points, of an entry of the result cache:
// write, after one of its writes; sync, before it is synced; rename, before it gets its name. Of
// the output: output, before it gets its name.

#include "tests/transcode/preload/wrapped.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/types.h>

namespace {

using namespace latentsync::preload;

void arrive(const char* point) {
  static const char* const where = std::getenv("LATENTSYNC_KILL_AT");
  static std::atomic<int> arrivals = 0;
  const size_t length = std::strlen(point);
  if (where == nullptr || std::strncmp(where, point, length) != 0 || where[length] != ':' ||
      ++arrivals != std::atoi(where + length + 1)) {
    return;
  }
  const char* const other = std::getenv("LATENTSYNC_SIGNAL");
  ::kill(::getpid(), other == nullptr ? SIGKILL : std::atoi(other));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t write(int file, const void* data,
                                                                size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  const ssize_t written = real(file, data, size);
  if (is_part(path_of(file))) arrive("write");
  return written;
}

extern "C" __attribute__((visibility("default"))) int fdatasync(int file) {
  if (is_part(path_of(file))) arrive("sync");
  static const auto real = next<int (*)(int)>("fdatasync");
  return real(file);
}

extern "C" __attribute__((visibility("default"))) int rename(const char* from,
                                                             const char* to) noexcept {
  if (is_part(from)) arrive("rename");
  if (is_partial(from)) arrive("output");
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return real(from, to);
}
