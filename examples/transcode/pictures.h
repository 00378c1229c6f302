#pragma once

#include "examples/transcode/handles.h"
#include "examples/transcode/uniform_frames.h"

#include <gst/video/video.h>
#include <memory>
#include <optional>
#include <string>

/// Small pictures of frames, for people to look at.
namespace latentsync::transcode {

/// A frame made small, as a JPEG picture has its pixels: its longer edge at most kLongestEdge, its
/// pixels square.
struct SmallPicture {
  static constexpr int kLongestEdge = 960;

  std::shared_ptr<GstSample> sample;  ///< I420, full range
  double scale_x = 1;                 ///< its pixels in one of the frame's
  double scale_y = 1;
};

/// A part of a frame, in the frame's pixels.
struct PictureArea {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
};

/// Makes frames small; for one thread at a time.
class Shrinker {
 public:
  /// None where GStreamer cannot read or convert the frame. Interlaced frames are shown as they
  /// are, with both fields.
  std::optional<SmallPicture> shrink(GstBuffer* frame, const GstVideoInfo& info);

 private:
  void set_up(const GstVideoInfo& info);

  GstVideoInfo from_{};
  GstVideoInfo to_{};
  std::unique_ptr<GstVideoConverter, FreeConverter> converter_;
};

/// PICTURE as a JPEG file; empty where GStreamer has no encoder for it.
std::string jpeg_of(const SmallPicture& picture);

/// The square of EDGE pixels around AREA, which is in the frame's pixels, moved so that it lies in
/// the picture as far as it can. Without AREA: the middle. Empty likewise.
std::string jpeg_around(const SmallPicture& picture, const std::optional<PictureArea>& area,
                        int edge);

}  // namespace latentsync::transcode
