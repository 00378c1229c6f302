// Preloaded into the command line: the disk is full for outputs on their way; with
// LATENTSYNC_FULL_FOR=cache for entries of the result cache. With LATENTSYNC_FULL_FROM=N it is full
// from their N-th write on (from 1).

#include "tests/transcode/preload/wrapped.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/types.h>
#include <sys/uio.h>

namespace {

using namespace latentsync::preload;

bool is_full_for(int file) {
  static const char* const what = std::getenv("LATENTSYNC_FULL_FOR");
  static const char* const from = std::getenv("LATENTSYNC_FULL_FROM");
  static std::atomic<int> writes = 0;
  const std::string path = path_of(file);
  const bool cache = what != nullptr && std::strcmp(what, "cache") == 0;
  const bool meant = cache ? is_part(path) : is_partial(path);
  return meant && ++writes >= (from == nullptr ? 1 : std::atoi(from));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t write(int file, const void* data,
                                                                size_t size) {
  if (is_full_for(file)) {
    errno = ENOSPC;
    return -1;
  }
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return real(file, data, size);
}

extern "C" __attribute__((visibility("default"))) ssize_t writev(int file, const iovec* parts,
                                                                 int count) {
  if (is_full_for(file)) {
    errno = ENOSPC;
    return -1;
  }
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return real(file, parts, count);
}
