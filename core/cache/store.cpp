#include "core/cache/store.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace latentsync::cache {

Store::Store(std::filesystem::path folder, uint64_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes) {}

Found Store::find(const Key& key) const {
  const auto path = entry_path(folder_, key);
  std::error_code ignored;
  if (const int error = check_folder(path.parent_path()); error != 0 && error != ENOENT) {
    // What is wrong is the folder, or what lies in the place of one of its parts.
    if (!std::filesystem::is_directory(folder_, ignored)) {
      return {{}, folder_problem(folder_, error)};
    }
    if (error == ENOTDIR)
      return {{}, foreign_problem(path.parent_path(), "something that is no folder")};
    return {{}, folder_problem(folder_, error)};
  }
  return read_entry(path, key);
}

std::optional<Problem> Store::insert(const Key& key, std::span<const std::byte> payload) {
  const uint64_t size = payload.size() + kEntryOverhead;
  if (size > most_bytes_) return size_problem(folder_, size, most_bytes_);
  const auto path = entry_path(folder_, key);
  if (const int error = make_folder(path.parent_path())) return write_problem(folder_, error);
  if (const int error = check_folder(path.parent_path())) return write_problem(folder_, error);
  if (!make_room(size)) return full_problem(folder_, most_bytes_);
  if (const int error = write_entry(part_path(path), path, key, payload)) {
    return write_problem(folder_, error);
  }
  return std::nullopt;
}

bool Store::make_room(uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (full_) return false;
  if (!taken_ || *taken_ + size > most_bytes_ || written_ > most_bytes_ / 16) {
    taken_ = trim(folder_, most_bytes_ - size, since_);
    written_ = 0;
    full_ = *taken_ + size > most_bytes_;
    if (full_) return false;
  }
  *taken_ += size;
  written_ += size;
  return true;
}

}  // namespace latentsync::cache
