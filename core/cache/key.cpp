#include "core/cache/key.h"

#include <array>
#include <bit>

namespace latentsync::cache {

std::string Key::text() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

void KeyBuilder::add(char kind, int64_t value) {
  std::array<std::byte, 9> bytes;
  bytes[0] = static_cast<std::byte>(kind);
  for (size_t i = 0; i < 8; ++i) {
    bytes[1 + i] = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * i));
  }
  hasher_.update(bytes);
}

void KeyBuilder::add_number(int64_t value) { add('n', value); }

void KeyBuilder::add_real(double value) { add('r', std::bit_cast<int64_t>(value)); }

void KeyBuilder::add_text(std::string_view text) {
  add('t', static_cast<int64_t>(text.size()));
  hasher_.update(std::as_bytes(std::span(text)));
}

void KeyBuilder::add_bytes(std::span<const std::byte> bytes) {
  add('b', static_cast<int64_t>(bytes.size()));
  hasher_.update(bytes);
}

}  // namespace latentsync::cache
