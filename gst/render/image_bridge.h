#pragma once

#include "core/engine.h"
#include "gst/cuda/device.h"
#include "gst/input/frame_window.h"
#include "gst/render/spare_buffers.h"

#include <gst/video/video.h>
#include <memory>
#include <optional>
#include <vector>

/// GStreamer's frames as the engine's pictures.
namespace latentsync {

/// The picture in a mapped frame; one that was zero before it was mapped. Errors: kUnsupported for
/// a format, size or stride that the engine does not know, kUnreadable where a plane does not fit
/// in its memory.
Result<kernels::ImageView> image_view(const GstVideoFrame& frame);

/// The rows of a plane, and the bytes of each that are samples. One of YUY2 is a whole number of
/// pairs, one of v210 of 128 bytes for 48 pixels.
struct PlaneRows {
  int64_t bytes = 0;
  int64_t count = 0;
};
PlaneRows rows_of(const GstVideoFrame& frame, guint plane);

/// For memory that gst_buffer_copy() or gst_buffer_copy_deep() gives no copy of.
Failure uncopied_frame(GstBuffer* buffer);

/// A group's frames, mapped when they are asked for and no longer than this lives. A frame whose
/// pixels are never asked for writing keeps its very buffer. SPARE, if any, is committed before the
/// first write. Frames in memory of CUDA, if any, are mapped where they lie; those of other
/// contexts and devices by way of system memory, to which GStreamer copies them, and back.
class MappedFrames final : public WindowFrames {
 public:
  explicit MappedFrames(FrameGroup& group, SpareBuffers* spare = nullptr,
                        std::shared_ptr<const cuda::PrimaryContext> cuda = nullptr);
  ~MappedFrames() override;
  MappedFrames(const MappedFrames&) = delete;
  MappedFrames& operator=(const MappedFrames&) = delete;

  size_t count() const override { return frames_.size(); }
  int64_t time_ns(size_t frame) const override { return frames_[frame].frame->timeline_ns; }
  Result<kernels::ImageView> readable(size_t frame) override;
  Result<kernels::ImageView> writable(size_t frame) override;
  void written(size_t frame, void* event) noexcept override;

  /// After the last write: the frames may be pushed. Errors: kDevice.
  std::optional<Failure> finish() { return order_.finish(); }

 private:
  struct Mapping {
    Frame* frame = nullptr;
    GstVideoFrame video = {};
    bool mapped = false;
    bool writing = false;
    void* ready = nullptr;  ///< an event; of a frame in device memory
  };
  void unmap(Mapping& mapping);
  Result<kernels::ImageView> map(Mapping& mapping, bool writing);
  Result<kernels::ImageView> view(const Mapping& mapping) const;

  std::vector<Mapping> frames_;
  SpareBuffers* spare_;
  std::shared_ptr<const cuda::PrimaryContext> cuda_;
  cuda::FrameOrder order_;
};

}  // namespace latentsync
