#include "examples/transcode/written_file.h"

#include "examples/transcode/input_file.h"
#include "examples/transcode/reading_pipeline.h"

#include <atomic>

namespace latentsync::transcode {

guint64 frames_in_file(const std::string& file, const std::string& name) {
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
