#include "examples/transcode/written_file.h"

#include "examples/transcode/input_file.h"
#include "examples/transcode/movie_header.h"
#include "examples/transcode/reading_pipeline.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>

namespace latentsync::transcode {
namespace {

/// Those that the index of an MP4 or QuickTime file lists. GStreamer's reader takes a track of a
/// few milliseconds beside longer sound for a preview and does not show it.
std::optional<guint64> frames_in_index(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  try {
    const auto header = read_header(stream);
    if (!header) {
      return {};
    }
    const Bytes& bytes = header->first;
    guint64 frames = 0;
    for (const Box& track : boxes(bytes, {0, bytes.size()}, "trak")) {
      const auto sizes = box(bytes, track, {"mdia", "minf", "stbl", "stsz"});
      if (sizes && is_of_kind(bytes, track, "vide")) {
        frames += number(bytes, sizes->begin + 8, 4);
      }
    }
    return frames;
  } catch (const std::out_of_range&) {
    return {};
  }
}

bool has_index(const std::string& name) {
  const std::string extension = std::filesystem::path(name).extension().string();
  return extension == ".mp4" || extension == ".mov";
}

}  // namespace

guint64 frames_in_file(const std::string& file, const std::string& name) {
  if (const auto frames = has_index(name) ? frames_in_index(file) : std::nullopt) {
    return *frames;
  }
  const std::atomic<bool> never = false;
  ReadingPipeline packets(
      {.file = name, .uri = uri_of(file), .kind = StreamKind::kVideo, .decode = false});
  guint64 frames = 0;
  while (packets.next(never)) {
    ++frames;
  }
  return frames;
}

void check_frames(const std::string& file, const std::string& name, guint64 frames) {
  const guint64 found = frames_in_file(file, name);
  if (found != frames) {
    throw Problem(name + ": " + std::to_string(frames) + " frames were made, but " +
                  std::to_string(found) +
                  " are in the file; write .mkv in place of it, and report this bug");
  }
}

}  // namespace latentsync::transcode
