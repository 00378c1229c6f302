#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace latentsync::model {

/// A regular file mapped for reading. Its bytes stay valid as long as the object lives; the file
/// must not shrink meanwhile (replace model files by renaming a new one over the old).
class MappedFile {
 public:
  /// Errors: kNotFound; kUnreadable (no permission, a folder, a pipe, a device, ...);
  /// kDamagedFile (empty). Never blocks, whatever kind of file PATH is.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::span<const uint8_t> bytes() const noexcept { return {data_, size_}; }

  /// Takes the pages that hold [begin, begin + size) out of this process's resident memory. They
  /// come back from the file when they are read again, so this is always safe.
  void release(const void* begin, size_t size) const noexcept;

 private:
  MappedFile(std::filesystem::path path, const uint8_t* data, size_t size);

  std::filesystem::path path_;
  const uint8_t* data_;
  size_t size_;
};

}  // namespace latentsync::model
