#include "gst/cuda/device.h"

#include <utility>

namespace latentsync::cuda {
namespace {

/// Releases the primary context of a device; DATA is its number and one more: null is no data.
void release(gpointer data) { driver()->release_primary(GPOINTER_TO_INT(data) - 1); }

GstMemory* only_memory(GstBuffer* buffer) {
  return gst_buffer_n_memory(buffer) == 1 ? gst_buffer_peek_memory(buffer, 0) : nullptr;
}

/// Of a buffer: a pool of GStreamer's has measured one when it has taken its configuration.
int64_t pool_bytes(GstBufferPool* pool) {
  GstStructure* const config = gst_buffer_pool_get_config(pool);
  guint size = 0;
  gst_buffer_pool_config_get_params(config, nullptr, &size, nullptr, nullptr);
  gst_structure_free(config);
  return size;
}

}  // namespace

int64_t usual_frame_bytes(const GstVideoInfo& format) {
  constexpr int64_t kPitch = 512;  // bytes that rows are a multiple of
  const int64_t row = GST_VIDEO_INFO_PLANE_STRIDE(&format, 0);
  const guint planes = GST_VIDEO_INFO_N_PLANES(&format);
  // Planes that are subsampled have rows as long as the others, and as many in all as one plane.
  const bool halved = planes > 1 && GST_VIDEO_FORMAT_INFO_H_SUB(format.finfo, 1) == 1;
  return (row + kPitch - 1) / kPitch * kPitch * GST_VIDEO_INFO_HEIGHT(&format) *
         (halved ? 2 : planes);
}

std::shared_ptr<PrimaryContext> PrimaryContext::open(int device, std::string& why) {
  const Driver* const driver = cuda::driver();
  int devices = 0;
  if (!driver || driver->init(0) != kSuccess || driver->device_count(&devices) != kSuccess) {
    why = "there is no CUDA driver that works";
    return nullptr;
  }
  if (device >= devices) {
    why = "there are " + std::to_string(devices) + " CUDA devices";
    return nullptr;
  }
  const Library* const library = cuda::library();
  if (!library) {
    why = "GStreamer's CUDA library cannot be opened";
    return nullptr;
  }
  Context context = nullptr;
  if (driver->retain_primary(&context, device) != kSuccess) {
    why = "the device's primary context cannot be made";
    return nullptr;
  }
  std::shared_ptr<PrimaryContext> result(new PrimaryContext(*driver, *library, device, context));
  ContextPtr object(library->wrap(context, device));
  if (!object) {
    why = "the device's primary context cannot be wrapped";
    return nullptr;
  }
  // Buffers downstream may outlive this, and hold the object.
  if (driver->retain_primary(&context, device) == kSuccess) {
    g_object_set_data_full(G_OBJECT(object.get()), "latentsync-primary",
                           GINT_TO_POINTER(device + 1), release);
  }
  result->adopt(std::move(object));
  return result;
}

PrimaryContext::~PrimaryContext() {
  object_.reset();
  driver_.release_primary(device_);
}

bool PrimaryContext::is_same(GstObject* context) const {
  return context && library_.handle_of(context) == context_;
}

bool PrimaryContext::holds(GstBuffer* buffer) const {
  GstMemory* const memory = only_memory(buffer);
  return memory && library_.is_memory(memory) &&
         is_same(reinterpret_cast<Memory*>(memory)->context);
}

bool PrimaryContext::is_own_pool(GstBufferPool* pool) const {
  return pool && G_TYPE_CHECK_INSTANCE_TYPE(pool, library_.pool_type()) &&
         reinterpret_cast<Pool*>(pool)->context == object_.get();
}

int64_t PrimaryContext::frame_bytes(GstCaps* caps, const GstVideoInfo& format) const {
  const int64_t usual = usual_frame_bytes(format);
  const PoolPtr pool = new_pool(caps, static_cast<guint>(usual), 0);
  return pool ? pool_bytes(pool.get()) : usual;
}

PoolPtr PrimaryContext::new_pool(GstCaps* caps, guint size, guint least) const {
  PoolPtr pool(library_.new_pool(object_.get()));
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, caps, size, least, 0);
  gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  return gst_buffer_pool_set_config(pool.get(), config) ? std::move(pool) : nullptr;
}

FrameOrder::FrameOrder(std::shared_ptr<const PrimaryContext> context)
    : context_(std::move(context)) {}

FrameOrder::~FrameOrder() {
  if (!context_ || (events_.empty() && !waiting_)) return;
  const Driver& driver = context_->driver_;
  const Current current(driver, context_->context_);
  for (Event event : events_) driver.destroy_event(event);
  if (waiting_) driver.destroy_stream(waiting_);
}

Stream FrameOrder::stream_of(GstBuffer* buffer) const {
  const Library& library = context_->library_;
  if (!library.stream_of) return nullptr;
  const gpointer stream = library.stream_of(gst_buffer_peek_memory(buffer, 0));
  return stream ? library.stream_handle(stream) : nullptr;
}

void* FrameOrder::ready(GstBuffer* buffer) {
  const Driver& driver = context_->driver_;
  const Current current(driver, context_->context_);
  Event event = nullptr;
  if (!current || driver.make_event(&event, kEventDisableTiming) != kSuccess) {
    failed_ = true;
    return nullptr;
  }
  events_.push_back(event);
  // Memory without a stream was written by the legacy default stream, or by streams that are
  // ordered with it: GStreamer makes no others, and its copies do not wait.
  if (driver.record(event, stream_of(buffer)) != kSuccess) failed_ = true;
  return failed_ ? nullptr : event;
}

void FrameOrder::written(GstBuffer* buffer, void* event) {
  const Driver& driver = context_->driver_;
  const Current current(driver, context_->context_);
  Stream stream = stream_of(buffer);
  if (!stream && !waiting_ && driver.make_stream(&waiting_, kStreamNonBlocking) != kSuccess) {
    waiting_ = nullptr;
  }
  if (!stream) stream = waiting_;
  if (!current || !stream || driver.make_wait(stream, static_cast<Event>(event), 0) != kSuccess) {
    failed_ = true;
  }
}

std::optional<Failure> FrameOrder::finish() {
  if (!context_) return std::nullopt;
  const Driver& driver = context_->driver_;
  if (waiting_) {
    const Current current(driver, context_->context_);
    if (!current || driver.wait_for_stream(waiting_) != kSuccess) failed_ = true;
  }
  if (!failed_) return std::nullopt;
  return Failure{ErrorCode::kDevice,
                 "The GPU failed while video frames in its memory were being edited. Check the "
                 "driver and the GPU with nvidia-smi, and start the pipeline again.",
                 "cuda:" + std::to_string(context_->device())};
}

}  // namespace latentsync::cuda
