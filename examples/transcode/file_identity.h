#pragma once

#include <compare>
#include <optional>
#include <string>
#include <sys/types.h>

namespace latentsync::transcode {

/// Which file a path leads to, through hard and symbolic links. Of a file that is not there yet:
/// the nearest folder above it that is, and the names from there on.
struct FileIdentity {
  dev_t device = 0;
  ino_t number = 0;
  std::string rest;  ///< empty: the file is there

  auto operator<=>(const FileIdentity&) const = default;

  /// Whether OTHER is this file, or would lie in it if it were a folder.
  bool holds(const FileIdentity& other) const;
};

/// Nothing where the path cannot be followed (no permission, links in a circle).
std::optional<FileIdentity> identify(const std::string& path);

}  // namespace latentsync::transcode
