#include "core/model/content_hash.h"

#include "core/model/mapped_file.h"
#include "core/model/sha256.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>

namespace latentsync::model {
namespace {

constexpr size_t kPart = size_t{8} << 20;  // bytes

std::string hash_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  std::vector<Sha256::Digest> digests((bytes.size() + kPart - 1) / kPart);
  at::parallel_for(0, std::ssize(digests), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const auto part = bytes.subspan(i * kPart, std::min(kPart, bytes.size() - i * kPart));
      digests[i] = Sha256::of(part);
      file.release(part.data(), part.size());
    }
  });
  Sha256 whole;
  for (const auto& digest : digests) whole.update(digest);
  return hexadecimal(whole.finish());
}

}  // namespace

std::optional<std::string> ContentHashes::of(const std::filesystem::path& path,
                                             const FileIdentity& expected) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = known_.find(expected); known != known_.end()) return known->second;
  }
  const auto file = MappedFile::open(path);
  auto hash = hash_of(*file);
  // Now, so that a file that was replaced or written to meanwhile is seen.
  if (file_identity(path) != expected) return std::nullopt;
  const std::lock_guard lock(mutex_);
  known_.emplace(expected, hash);
  return hash;
}

}  // namespace latentsync::model
