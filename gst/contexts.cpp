#include "gst/debug.h"
#include "gst/element.h"

#include <string>
#include <utility>

/// The GPU that video frames may lie on: its context, given to neighbours and taken from them, and
/// pools of its memory.
namespace latentsync {
namespace {

/// The GstCudaContext in CONTEXT, if any.
cuda::ContextPtr object_of(GstContext* context) {
  GstObject* object = nullptr;
  gst_structure_get(gst_context_get_structure(context), cuda::kContextType,
                    cuda::library()->context_type(), &object, nullptr);
  return cuda::ContextPtr(object);
}

/// What the application or a bin has set.
cuda::ContextPtr set_context(const Element& element) {
  GstContext* const context = gst_element_get_context(element.self, cuda::kContextType);
  if (!context) return nullptr;
  cuda::ContextPtr object = object_of(context);
  gst_context_unref(context);
  return object;
}

/// What the neighbour beyond PAD has.
cuda::ContextPtr context_beyond(GstPad* pad) {
  const QueryPtr query(gst_query_new_context(cuda::kContextType));
  GstContext* context = nullptr;
  if (!gst_pad_peer_query(pad, query.get())) return nullptr;
  gst_query_parse_context(query.get(), &context);
  return context ? object_of(context) : nullptr;
}

/// The first that there is, in GStreamer's order.
cuda::ContextPtr find_context(const Element& element) {
  if (auto context = set_context(element)) return context;
  if (auto context = context_beyond(element.pads.src)) return context;
  if (auto context = context_beyond(element.pads.video)) return context;
  gst_element_post_message(
      element.self, gst_message_new_need_context(GST_OBJECT(element.self), cuda::kContextType));
  return set_context(element);
}

void publish(const Element& element, GstObject* object) {
  GstContext* const context = cuda::library()->new_context(object);
  gst_element_set_context(element.self, context);
  gst_element_post_message(element.self,
                           gst_message_new_have_context(GST_OBJECT(element.self), context));
}

/// What a pool that is not one of CAPS' memory would break. Caps are as the query has them.
bool is_allocatable(const Element& element, GstCaps* caps) {
  const CapsPtr own(gst_pad_get_pad_template_caps(element.pads.video));
  return gst_caps_is_subset(caps, own.get());
}

}  // namespace

void find_device(Element& element) {
  const auto number = cuda::device_number(element.snapshot().device);
  if (!number) return;
  std::string why;
  std::shared_ptr<cuda::PrimaryContext> found = cuda::PrimaryContext::open(*number, why);
  if (!found) {
    GST_INFO_OBJECT(element.self, "no frames in memory of cuda:%d: %s", *number, why.c_str());
    return;
  }
  cuda::ContextPtr context = find_context(element);
  if (found->is_same(context.get())) {
    GST_DEBUG_OBJECT(element.self, "uses %" GST_PTR_FORMAT, context.get());
    found->adopt(std::move(context));
  } else if (context) {
    GST_INFO_OBJECT(element.self,
                    "%" GST_PTR_FORMAT
                    " is not the primary context of cuda:%d: frames in its memory are copied",
                    context.get(), *number);
  } else {
    publish(element, found->object());
  }
  const std::lock_guard lock(element.cuda_mutex);
  element.cuda = std::move(found);
}

void forget_device(Element& element) {
  const std::lock_guard lock(element.cuda_mutex);
  element.cuda.reset();
}

bool answer_context(Element& element, GstQuery* query) {
  const auto cuda = element.cuda_context();
  return cuda && cuda::library()->answer_context(element.self, query, cuda->object());
}

int64_t device_frame_bytes(Element& element, GstCaps* caps, const GstVideoInfo& format) {
  const auto cuda = element.cuda_context();
  return cuda && is_allocatable(element, caps) ? cuda->frame_bytes(caps, format)
                                               : cuda::usual_frame_bytes(format);
}

void answer_device_allocation(Element& element, GstQuery* query, GstCaps* caps, guint held) {
  const auto cuda = element.cuda_context();
  GstVideoInfo info;
  gst_video_info_from_caps(&info, caps);
  guint size = static_cast<guint>(device_frame_bytes(element, caps, info));
  guint least = 0;
  PoolPtr pool;
  const bool offered = gst_query_get_n_allocation_pools(query) > 0;
  if (offered) {
    GstBufferPool* theirs = nullptr;
    guint most = 0;
    gst_query_parse_nth_allocation_pool(query, 0, &theirs, &size, &least, &most);
    pool.reset(theirs);
    // One of another context would have every frame copied; one that cannot grow would run dry.
    if (most != 0 || !cuda || !cuda->is_own_pool(theirs)) pool.reset();
  }
  least += held;
  if (!pool && cuda && is_allocatable(element, caps)) pool = cuda->new_pool(caps, size, least);
  if (offered) {
    gst_query_set_nth_allocation_pool(query, 0, pool.get(), size, least, 0);
  } else {
    gst_query_add_allocation_pool(query, pool.get(), size, least, 0);
  }
  if (!gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr)) {
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  }
  GST_DEBUG_OBJECT(element.self, "ALLOCATION: %u buffers are held, pool %" GST_PTR_FORMAT, held,
                   pool.get());
}

void look_at_memory(Element& element, GstBuffer* buffer) {
  GstMemory* const memory =
      gst_buffer_n_memory(buffer) > 0 ? gst_buffer_peek_memory(buffer, 0) : nullptr;
  if (!memory || !gst_memory_is_type(memory, cuda::kMemoryType)) return;
  const auto cuda = element.cuda_context();
  if (cuda && cuda->holds(buffer) && !element.model_is_elsewhere) return;
  const bool elsewhere = !cuda || element.model_is_elsewhere;
  element.reporter.warn_once(
      Topic::kStream, "device-memory",
      elsewhere
          ? "Video frames lie in the GPU's memory, but the model runs on the CPU: each window "
            "is copied to system memory and back. Set device=cuda, or put cudadownload before "
            "video_sink."
          : "Video frames lie in memory of another CUDA context or device than the model's: "
            "each window is copied to system memory and back. Have the elements before "
            "video_sink use the CUDA context that latentsync publishes, on the device that "
            "its property device names.");
}

}  // namespace latentsync
