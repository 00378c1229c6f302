#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace latentsync::model {

/// A state of a file: another one lies at the same path as soon as the file is replaced by renaming
/// a new one over it, or written to.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;        ///< bytes
  int64_t modified_ns = 0;  ///< since 1970

  auto operator<=>(const FileIdentity&) const = default;

  /// All four numbers, separated by colons.
  std::string text() const;
};

/// That of the file at PATH, the target of a link; none where there is no file that can be looked
/// at.
std::optional<FileIdentity> file_identity(const std::filesystem::path& path) noexcept;

}  // namespace latentsync::model
