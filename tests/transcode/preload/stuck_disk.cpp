// Preloaded into the command line: the disk stops answering for files whose name ends in .partial.

#include "tests/transcode/preload/wrapped.h"

#include <sys/types.h>
#include <sys/uio.h>

using namespace latentsync::preload;

extern "C" __attribute__((visibility("default"))) ssize_t write(int file, const void* data,
                                                                size_t size) {
  if (is_partial(path_of(file))) {
    for (;;) pause();
  }
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return real(file, data, size);
}

extern "C" __attribute__((visibility("default"))) ssize_t writev(int file, const iovec* parts,
                                                                 int count) {
  if (is_partial(path_of(file))) {
    for (;;) pause();
  }
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return real(file, parts, count);
}
