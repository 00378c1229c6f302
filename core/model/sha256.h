#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace latentsync::model {

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256 {
 public:
  using Digest = std::array<uint8_t, 32>;

  void update(std::span<const uint8_t> bytes);
  /// Ends the message; the object is of no further use.
  Digest finish();

  static Digest of(std::span<const uint8_t> bytes);

 private:
  static constexpr size_t kBlock = 64;

  void compress(const uint8_t* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, kBlock> rest_{};  // of the message, less than a block
  size_t rest_size_ = 0;
  uint64_t size_ = 0;  // of the message, bytes
};

/// Two lower-case hexadecimal digits for each byte.
std::string hexadecimal(std::span<const uint8_t> bytes);

}  // namespace latentsync::model
