#pragma once

#include "core/cache/bytes.h"
#include "core/cache/key.h"
#include "core/cache/problem.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

/// One entry's file: 40 bytes of header (the magic "LSCACHE\n", the format's version and a zero as
/// 32 bits each, the key's 16 bytes, the payload's length as 64 bits), the payload, and the
/// XXH3-128 of all that comes before it. Numbers are little-endian.
namespace latentsync::cache {

constexpr uint32_t kEntryVersion = 1;
/// What a file is longer than its payload.
constexpr uint64_t kEntryOverhead = 56;

/// What is to become an entry.
struct NewEntry {
  Key key;
  Bytes payload;
};

/// Nothing at all is a miss without a problem.
struct Found {
  std::optional<Bytes> payload;
  std::optional<Problem> problem;
};

/// Reads the file at PATH if it is the whole entry of KEY, and marks it as used now. Never waits,
/// whatever lies there.
Found read_entry(const std::filesystem::path& path, const Key& key);

/// Writes the entry of KEY to a new file at PART, synced, and renames it to PATH; where that fails,
/// nothing is left. Errors: errno; 0 where it is done.
int write_entry(const std::filesystem::path& part, const std::filesystem::path& path,
                const Key& key, std::span<const std::byte> payload) noexcept;

}  // namespace latentsync::cache
