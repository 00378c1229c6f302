#pragma once

#include "core/engine.h"
#include "gst/cuda/driver.h"
#include "gst/cuda/library.h"
#include "gst/handles.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// A GPU as GStreamer's CUDA elements and the engine share it.
namespace latentsync::cuda {

using ContextPtr = std::unique_ptr<GstObject, ObjectUnref>;

/// Bytes of device memory that GStreamer allocates for a frame, if the driver's rows are multiples
/// of 512 bytes: where there is no device to ask, PrimaryContext::frame_bytes().
int64_t usual_frame_bytes(const GstVideoInfo& format);

/// The primary context of a device, in which LibTorch works, and its GstCudaContext. Buffers and
/// pools hold the latter, and it the former, for as long as they need them.
class PrimaryContext {
 public:
  /// Null where GStreamer's CUDA library, the driver or the device is missing, or the context
  /// cannot be made; WHY says which.
  static std::shared_ptr<PrimaryContext> open(int device, std::string& why);
  ~PrimaryContext();
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;

  int device() const { return device_; }
  /// The GstCudaContext that is in use.
  GstObject* object() const { return object_.get(); }

  /// Whether CONTEXT, a GstCudaContext, stands for the same context. GStreamer compares the
  /// objects, so that neighbours should have the same one.
  bool is_same(GstObject* context) const;
  /// Uses another object for the same context from now on.
  void adopt(ContextPtr context) { object_ = std::move(context); }

  /// Whether BUFFER is one memory of this context: then it can be mapped with kMapDevice.
  bool holds(GstBuffer* buffer) const;
  /// Whether a pool's buffers are of object().
  bool is_own_pool(GstBufferPool* pool) const;
  /// Bytes of device memory that GStreamer allocates for a frame of CAPS here: rows have the length
  /// that the driver chooses. Allocates one for that.
  int64_t frame_bytes(GstCaps* caps, const GstVideoInfo& format) const;
  /// Of buffers for CAPS. Null where memory runs out.
  PoolPtr new_pool(GstCaps* caps, guint size, guint least) const;

 private:
  PrimaryContext(const Driver& driver, const Library& library, int device, Context context)
      : driver_(driver), library_(library), device_(device), context_(context) {}

  friend class FrameOrder;
  const Driver& driver_;
  const Library& library_;
  const int device_;
  const Context context_;
  ContextPtr object_;
};

/// The order of work on frames in device memory between their producers, the engine and what is
/// downstream. For one thread.
class FrameOrder {
 public:
  explicit FrameOrder(std::shared_ptr<const PrimaryContext> context);
  ~FrameOrder();
  FrameOrder(const FrameOrder&) = delete;
  FrameOrder& operator=(const FrameOrder&) = delete;

  /// An event behind which all work that was enqueued for BUFFER so far is ordered; valid as long
  /// as this lives. Null after a failure of the device.
  void* ready(GstBuffer* buffer);
  /// BUFFER's new pixels are there once EVENT has passed.
  void written(GstBuffer* buffer, void* event);
  /// Waits for what nothing downstream would wait for: writes to memory without a stream.
  std::optional<Failure> finish();

 private:
  Stream stream_of(GstBuffer* buffer) const;

  const std::shared_ptr<const PrimaryContext> context_;
  std::vector<Event> events_;
  Stream waiting_ = nullptr;  ///< made to wait for every write to memory without a stream
  bool failed_ = false;
};

}  // namespace latentsync::cuda
