// Preloaded into the command line: the disk stops answering for files whose name ends in .partial.

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

bool is_partial(int file) {
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path);
  constexpr char kEnd[] = ".partial";
  constexpr ssize_t kLength = sizeof kEnd - 1;
  return length > kLength && std::memcmp(path + length - kLength, kEnd, kLength) == 0;
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t write(int file, const void* data,
                                                                size_t size) {
  if (is_partial(file)) {
    for (;;) pause();
  }
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  return real(file, data, size);
}

extern "C" __attribute__((visibility("default"))) ssize_t writev(int file, const iovec* parts,
                                                                 int count) {
  if (is_partial(file)) {
    for (;;) pause();
  }
  static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
  return real(file, parts, count);
}
