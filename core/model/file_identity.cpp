#include "core/model/file_identity.h"

#include <sys/stat.h>

namespace latentsync::model {

std::string FileIdentity::text() const {
  return std::to_string(device) + ':' + std::to_string(inode) + ':' + std::to_string(size) + ':' +
         std::to_string(modified_ns);
}

std::optional<FileIdentity> file_identity(const std::filesystem::path& path) noexcept {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  constexpr int64_t kSecond = 1'000'000'000;
  return FileIdentity{.device = status.st_dev,
                      .inode = status.st_ino,
                      .size = static_cast<uint64_t>(status.st_size),
                      .modified_ns = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec};
}

}  // namespace latentsync::model
