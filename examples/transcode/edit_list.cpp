#include "examples/transcode/edit_list.h"

#include "examples/transcode/movie_header.h"
#include "examples/transcode/problem.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

namespace latentsync::transcode {
namespace {

/// Boxes with a version: 1 has 64 bits for a time.
size_t time_size(const Bytes& bytes, Box versioned) { return bytes[versioned.begin] == 1 ? 8 : 4; }

/// Ticks a second of `mvhd` or `mdhd`.
guint64 time_scale(const Bytes& bytes, Box header) {
  return number(bytes, header.begin + 4 + 2 * time_size(bytes, header), 4);
}

/// Changes the edit of TRACK that shows it; false: there is none.
bool change_edit(Bytes& bytes, Box track, guint64 priming, guint64 duration) {
  const auto list = box(bytes, track, {"edts", "elst"});
  const auto header = box(bytes, track, {"tkhd"});
  if (!list || !header) {
    return false;
  }
  const size_t width = time_size(bytes, *list);
  const guint64 nothing = width == 8 ? ~guint64(0) : 0xffffffff;
  const guint64 count = number(bytes, list->begin + 4, 4);
  guint64 before = 0;
  for (guint64 index = 0; index < count; ++index) {
    const size_t at = list->begin + 8 + index * (2 * width + 4);
    if (number(bytes, at + width, width) == nothing) {
      before += number(bytes, at, width);
      continue;
    }
    put(bytes, at, width, duration);
    put(bytes, at + width, width, number(bytes, at + width, width) + priming);
    const size_t size = time_size(bytes, *header);
    put(bytes, header->begin + 4 + 2 * size + 8, size, before + duration);
    return true;
  }
  return false;
}

/// PRIMING samples of TRACK, or one more: where GStreamer 1.22 rounds the end of the last of them
/// to a nanosecond after the edit's begin, it plays them all.
guint64 skipped(const Bytes& bytes, Box track, guint64 priming) {
  const auto header = box(bytes, track, {"mdia", "mdhd"});
  const guint64 rate = header ? time_scale(bytes, *header) : 0;
  return rate > 0 && 2 * (priming * GST_SECOND % rate) >= rate ? priming + 1 : priming;
}

/// Begin and change of a movie or track, in seconds since 1904: none.
void clear_times(Bytes& bytes, Box header) {
  const size_t size = time_size(bytes, header);
  put(bytes, header.begin + 4, size, 0);
  put(bytes, header.begin + 4 + size, size, 0);
}

void clear_all_times(Bytes& bytes) {
  const Box all = {0, bytes.size()};
  for (const Box& header : boxes(bytes, all, "mvhd")) {
    clear_times(bytes, header);
  }
  for (const Box& track : boxes(bytes, all, "trak")) {
    for (const auto& header : {box(bytes, track, {"tkhd"}), box(bytes, track, {"mdia", "mdhd"})}) {
      if (header) {
        clear_times(bytes, *header);
      }
    }
  }
}

bool change_header(Bytes& bytes, guint64 priming, GstClockTime sound) {
  const Box all = {0, bytes.size()};
  const auto movie = box(bytes, all, {"mvhd"});
  if (!movie) {
    return false;
  }
  const guint64 duration =
      gst_util_uint64_scale_round(sound, time_scale(bytes, *movie), GST_SECOND);
  bool changed = false;
  // The movie's own duration stays as it is, longer by the priming: GStreamer 1.22 compares it with
  // times before the edit, and would leave out the last samples.
  for (const Box& track : boxes(bytes, all, "trak")) {
    changed = (is_of_kind(bytes, track, "soun") &&
               change_edit(bytes, track, skipped(bytes, track, priming), duration)) ||
              changed;
  }
  return changed;
}

}  // namespace

void write_edit_list(const std::string& file, const std::string& name, guint64 priming,
                     GstClockTime sound) {
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  if (!stream) {
    throw cannot_write(name, errno);
  }
  std::optional<std::pair<Bytes, std::streamoff>> header;
  bool changed = false;
  try {
    header = read_header(stream);
    changed = header && change_header(header->first, priming, sound);
    if (changed) {
      clear_all_times(header->first);
    }
  } catch (const std::out_of_range&) {
    changed = false;
  }
  if (!changed) {
    throw Problem(name +
                  ": its sound would be late, because the file has no edit list for the delay; "
                  "write .mkv instead");
  }
  stream.seekp(header->second);
  stream.write(header->first.data(), std::streamsize(header->first.size()));
  stream.flush();
  if (!stream) {
    throw cannot_write(name, errno);
  }
}

}  // namespace latentsync::transcode
