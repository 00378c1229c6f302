#pragma once

#include "examples/transcode/handles.h"

#include <gst/video/video.h>
#include <memory>
#include <string>

namespace latentsync::transcode {

struct FreeConverter {
  void operator()(GstVideoConverter* converter) const { gst_video_converter_free(converter); }
};

/// Makes every frame of a stream like its first: encoders and containers take one format. A frame
/// that has it is left as it is; another one is converted and scaled, with black bars where the
/// shape of the whole picture differs.
class UniformFrames {
 public:
  /// FIRST: caps of raw video, as the first frame has them. Throws Problem.
  explicit UniformFrames(const GstCaps* first);

  /// A frame of CAPS in the first format. Throws Problem.
  BufferPtr convert(BufferPtr frame, const GstCaps* caps);
  /// How frames of CAPS differ from the first, for people; empty: they do not.
  std::string difference(const GstCaps* caps) const;
  /// Whether they have another size or other pixels.
  bool changes_shape(const GstCaps* caps) const;

 private:
  void prepare(const GstCaps* caps);

  GstVideoInfo to_;
  CapsPtr caps_;  ///< of the frame before
  GstVideoInfo from_;
  std::unique_ptr<GstVideoConverter, FreeConverter> converter_;  ///< null: nothing to do
};

}  // namespace latentsync::transcode
