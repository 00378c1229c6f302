#pragma once

#include "core/cache/entry.h"
#include "core/cache/folder.h"
#include "core/cache/key.h"
#include "core/cache/problem.h"

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>

namespace latentsync::cache {

/// Entries by key, in the files of a folder (docs/cache.md). Any number of threads and processes
/// may use one folder, and any of them may be killed: no file but a whole one has an entry's name,
/// and there is no lock that anybody could keep. Whatever fails is a miss with a problem. Where
/// there is no room, what was not used for longest goes; what was used since the store was made
/// stays, so that a job that needs more room than there is finds its beginning when it is started
/// again.
class Store {
 public:
  /// FOLDER is made when something is first put into it. MOST_BYTES is what its files may take;
  /// where several processes write, it may be exceeded by a sixteenth for each.
  Store(std::filesystem::path folder, uint64_t most_bytes);

  const std::filesystem::path& folder() const { return folder_; }

  Found find(const Key& key) const;
  /// Errors: none that is thrown but std::bad_alloc; the problem, where the entry was not written.
  std::optional<Problem> insert(const Key& key, std::span<const std::byte> payload);

 private:
  /// False where there is no room, and never will be.
  bool make_room(uint64_t size);

  std::filesystem::path folder_;
  uint64_t most_bytes_;
  const timespec since_ = file_time();
  std::mutex mutex_;
  std::optional<uint64_t> taken_;  // bytes; not known before the folder is first looked through
  uint64_t written_ = 0;           // bytes since then: others write, too
  bool full_ = false;
};

}  // namespace latentsync::cache
