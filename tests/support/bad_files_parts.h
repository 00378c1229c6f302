#pragma once

#include "tests/support/bad_files.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Shared by the sources that make bad files.
namespace latentsync::test {

inline constexpr ErrorCode kDamaged = ErrorCode::kDamagedFile;
inline constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

/// BYTES with VALUE at OFFSET.
template <typename T>
std::string with(std::string bytes, size_t offset, T value) {
  if (offset + sizeof value > bytes.size()) throw std::logic_error("patch outside the file");
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

std::string times(std::string_view text, size_t count);

/// An 8-byte header length, this header, true or not, and this data.
std::string header_and_data(const std::string& header, const std::string& data);

/// A zip of these entries, stored; MISALIGNED: see ZipWriter.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& entries,
                   size_t misaligned = 0);

/// The pickle of good_torch_zip().
std::string good_pickle();

}  // namespace latentsync::test
