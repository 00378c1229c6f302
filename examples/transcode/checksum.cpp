#include "examples/transcode/checksum.h"

#include <fstream>
#include <vector>

namespace latentsync::transcode {

void Checksum::add(const void* data, size_t size) {
  g_checksum_update(checksum_.get(), static_cast<const guchar*>(data), gssize(size));
}

void Checksum::add(const std::string& text) { add(text.c_str(), text.size() + 1); }

std::string Checksum::text() { return g_checksum_get_string(checksum_.get()); }

std::optional<std::string> checksum_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> part(1 << 20);
  Checksum sum;
  while (stream) {
    stream.read(part.data(), std::streamsize(part.size()));
    sum.add(part.data(), size_t(stream.gcount()));
  }
  return stream.eof() ? std::optional(sum.text()) : std::nullopt;
}

}  // namespace latentsync::transcode
