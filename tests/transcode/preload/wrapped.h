#pragma once

#include <cstdio>
#include <dlfcn.h>
#include <string>
#include <string_view>
#include <unistd.h>

/// For libraries that are preloaded and stand in front of the system's functions.
namespace latentsync::preload {

/// The function that a wrapper of the same name stands in front of.
template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

/// The path of the open file FILE.
inline std::string path_of(int file) {
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path);
  return std::string(path, length > 0 ? static_cast<size_t>(length) : 0);
}

/// An output on its way.
inline bool is_partial(std::string_view path) { return path.ends_with(".partial"); }
/// An entry of the result cache on its way.
inline bool is_part(std::string_view path) { return path.ends_with(".part"); }

}  // namespace latentsync::preload
