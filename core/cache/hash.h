#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace latentsync::cache {

using Digest = std::array<uint8_t, 16>;

/// XXH3-128 of bytes that come piece by piece: for accidents, not against forgery.
class Hasher {
 public:
  Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher();

  void update(std::span<const std::byte> bytes);
  /// Of what has come so far, most significant byte first.
  Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latentsync::cache
