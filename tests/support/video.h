#pragma once

#include "kernels/image/image_view.h"
#include "tests/support/pictures.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// The sample clips, decoded by GStreamer; for tests only.
namespace latentsync::test {

/// A clip by its name ("demo1"): $LATENTSYNC_CLIPS_DIR/demo1_video.mp4, else the project's own,
/// which may be the clip's beginning (tests/data/clips/README.md).
std::filesystem::path clip(const std::string& name);

/// Reads the frames of a video file in order, in system memory, in one pixel format, with the
/// file's colour matrix and range. Errors are std::runtime_error, with GStreamer's message.
class VideoReader {
 public:
  VideoReader(const std::filesystem::path& path, kernels::PixelFormat format);
  ~VideoReader();
  VideoReader(const VideoReader&) = delete;
  VideoReader& operator=(const VideoReader&) = delete;

  /// The next frame; none at the end.
  std::optional<Picture> next();

 private:
  struct Pipeline;
  std::unique_ptr<Pipeline> pipeline_;
  kernels::PixelFormat format_;
};

/// Frames FIRST to FIRST + COUNT of a file, fewer where it ends before that; all from FIRST on
/// where COUNT is negative.
std::vector<Picture> read_video(const std::filesystem::path& path, kernels::PixelFormat format,
                                int64_t first = 0, int64_t count = -1);

/// The colours of a picture in PixelFormat::kRgb: uint8 [3, H, W], which shares its memory.
at::Tensor colors(const Picture& picture);

}  // namespace latentsync::test
