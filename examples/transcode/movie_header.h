#pragma once

#include <cstddef>
#include <fstream>
#include <glib.h>
#include <initializer_list>
#include <ios>
#include <optional>
#include <utility>
#include <vector>

/// The boxes of an MP4 or QuickTime file's movie header (ISO/IEC 14496-12). Functions that read
/// beyond the end of BYTES throw std::out_of_range.
namespace latentsync::transcode {

using Bytes = std::vector<char>;

/// SIZE bytes at AT, big endian.
guint64 number(const Bytes& bytes, size_t at, size_t size);
void put(Bytes& bytes, size_t at, size_t size, guint64 value);

/// A box within the movie header: where its content begins and ends.
struct Box {
  size_t begin = 0;
  size_t end = 0;
};

/// The boxes of that NAME in PARENT.
std::vector<Box> boxes(const Bytes& bytes, Box parent, const char* name);

/// The first box of each name of PATH within the one before; nothing where one is missing.
std::optional<Box> box(const Bytes& bytes, Box parent, std::initializer_list<const char*> path);

/// Whether TRACK has this handler: "vide", "soun".
bool is_of_kind(const Bytes& bytes, Box track, const char* handler);

/// The content of the file's `moov`, and where in the file it begins; nothing without one.
std::optional<std::pair<Bytes, std::streamoff>> read_header(std::istream& file);

}  // namespace latentsync::transcode
