#pragma once

#include "tests/gst/fake_engine.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace latentsync::fake {

/// FNV-1a over 8 bytes at a time.
class Hash {
 public:
  void add(const void* data, size_t bytes) {
    const auto* at = static_cast<const uint8_t*>(data);
    for (; bytes >= 8; bytes -= 8, at += 8) {
      uint64_t word;
      __builtin_memcpy(&word, at, 8);
      mix(word);
    }
    for (; bytes > 0; --bytes, ++at) mix(*at);
  }
  template <typename T>
  void add(T value) {
    add(&value, sizeof value);
  }
  uint64_t value() const { return state_; }

 private:
  void mix(uint64_t word) {
    state_ = (state_ ^ word) * 0x100000001b3ULL;
    state_ ^= state_ >> 29;
  }
  uint64_t state_ = 0xcbf29ce484222325ULL;
};

/// The visible part of a plane.
struct PlaneBytes {
  int64_t row_bytes;
  int64_t rows;
};
std::vector<PlaneBytes> plane_bytes(const kernels::ImageView& image);

/// Fills edited_area() of all planes with what SEED gives.
void scramble(const kernels::ImageView& image, uint64_t seed);

}  // namespace latentsync::fake
