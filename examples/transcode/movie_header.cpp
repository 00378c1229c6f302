#include "examples/transcode/movie_header.h"

#include <algorithm>
#include <cstring>

namespace latentsync::transcode {

guint64 number(const Bytes& bytes, size_t at, size_t size) {
  guint64 value = 0;
  for (size_t index = 0; index < size; ++index) {
    value = value << 8 | guint8(bytes.at(at + index));
  }
  return value;
}

void put(Bytes& bytes, size_t at, size_t size, guint64 value) {
  for (size_t index = 0; index < size; ++index) {
    bytes.at(at + index) = char(value >> (8 * (size - 1 - index)));
  }
}

std::vector<Box> boxes(const Bytes& bytes, Box parent, const char* name) {
  std::vector<Box> found;
  for (size_t at = parent.begin; at + 8 <= parent.end;) {
    const guint64 size = number(bytes, at, 4);
    if (size < 8 || size > parent.end - at) {
      break;
    }
    if (std::memcmp(bytes.data() + at + 4, name, 4) == 0) {
      found.push_back({at + 8, at + size});
    }
    at += size;
  }
  return found;
}

std::optional<Box> box(const Bytes& bytes, Box parent, std::initializer_list<const char*> path) {
  for (const char* name : path) {
    const std::vector<Box> found = boxes(bytes, parent, name);
    if (found.empty()) {
      return {};
    }
    parent = found.front();
  }
  return parent;
}

std::optional<std::pair<Bytes, std::streamoff>> read_header(std::istream& file) {
  file.seekg(0, std::ios::end);
  const std::streamoff length = file.tellg();
  for (std::streamoff at = 0; at + 8 <= length;) {
    Bytes head(16);
    file.seekg(at);
    file.read(head.data(), std::min<std::streamoff>(16, length - at));
    guint64 size = number(head, 0, 4);
    const std::streamoff inside = size == 1 ? 16 : 8;
    size = size == 1 ? number(head, 8, 8) : size;
    if (size < guint64(inside) || size > guint64(length - at)) {
      return {};
    }
    if (std::memcmp(head.data() + 4, "moov", 4) == 0) {
      Bytes content(size - guint64(inside));
      file.seekg(at + inside);
      file.read(content.data(), std::streamsize(content.size()));
      return std::pair(std::move(content), at + inside);
    }
    at += std::streamoff(size);
  }
  return {};
}

bool is_of_kind(const Bytes& bytes, Box track, const char* handler) {
  const auto found = box(bytes, track, {"mdia", "hdlr"});
  return found && found->end - found->begin >= 12 &&
         std::memcmp(bytes.data() + found->begin + 8, handler, 4) == 0;
}

}  // namespace latentsync::transcode
