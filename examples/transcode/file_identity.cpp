#include "examples/transcode/file_identity.h"

#include <cerrno>
#include <filesystem>
#include <sys/stat.h>

namespace latentsync::transcode {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  ///< as many as the kernel follows

/// PATH, or where a link there leads to that has no file at its end.
fs::path beyond_links(fs::path path) {
  std::error_code failure;
  for (int links = 0; links < kMostLinks; ++links) {
    const fs::path target = fs::read_symlink(path, failure);
    if (failure) {
      break;
    }
    path = path.parent_path() / target;
  }
  return path;
}

}  // namespace

bool FileIdentity::holds(const FileIdentity& other) const {
  return device == other.device && number == other.number &&
         (rest == other.rest || other.rest.starts_with(rest.empty() ? rest : rest + '/'));
}

std::optional<FileIdentity> identify(const std::string& path) {
  fs::path there = path;
  fs::path rest;
  for (;;) {
    struct stat status = {};
    if (::stat(there.empty() ? "." : there.c_str(), &status) == 0) {
      return FileIdentity{status.st_dev, status.st_ino, rest.lexically_normal().string()};
    }
    if (errno != ENOENT) {
      return std::nullopt;
    }
    there = beyond_links(there);
    if (!there.has_filename()) {
      there = there.parent_path();
    }
    if (!there.has_relative_path()) {
      return std::nullopt;
    }
    rest = rest.empty() ? there.filename() : there.filename() / rest;
    there = there.parent_path();
  }
}

}  // namespace latentsync::transcode
