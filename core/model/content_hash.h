#pragma once

#include "core/model/file_identity.h"

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace latentsync::model {

/// Hashes of the contents of files, each computed when it is first asked for and then remembered
/// for that state of the file. For several threads.
class ContentHashes {
 public:
  /// 64 hexadecimal digits: SHA-256 of the digests (SHA-256) of the file's parts of 8 MiB, which
  /// are computed in parallel. None where the file at PATH is not, or no longer, in the state
  /// EXPECTED. Errors: those of MappedFile::open.
  std::optional<std::string> of(const std::filesystem::path& path, const FileIdentity& expected);

 private:
  std::mutex mutex_;
  std::map<FileIdentity, std::string> known_;
};

}  // namespace latentsync::model
