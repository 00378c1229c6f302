#pragma once

#include "core/cache/hash.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace latentsync::cache {

/// What an entry is found by.
struct Key {
  Digest digest{};

  bool operator==(const Key&) const = default;
  /// 32 lower-case hexadecimal digits.
  std::string text() const;
};

/// Builds a key from values in a fixed order. Each goes in with its kind and, where that varies,
/// its length, so that two lists of values have one key only where they are equal.
class KeyBuilder {
 public:
  void add_number(int64_t value);
  /// By its bits.
  void add_real(double value);
  void add_text(std::string_view text);
  void add_bytes(std::span<const std::byte> bytes);

  Key key() const { return {hasher_.digest()}; }

 private:
  void add(char kind, int64_t value);

  Hasher hasher_;
};

}  // namespace latentsync::cache
