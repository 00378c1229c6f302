#pragma once

#include "gst/cuda/driver_abi.h"

#include <gst/video/video.h>

/// GStreamer's CUDA library, opened when it is first asked for. It is not linked: where it is
/// missing the element works with system memory, and one build serves 1.22 as well as 1.24 and
/// later, whose memory has streams. The types are as gst/cuda/*.h have them in all of these.
namespace latentsync::cuda {

inline constexpr char kContextType[] = "gst.cuda.context";
inline constexpr char kMemoryFeature[] = "memory:CUDAMemory";
inline constexpr char kMemoryType[] = "gst.cuda.memory";
/// Has gst_video_frame_map() give addresses in device memory.
constexpr auto kMapDevice = static_cast<GstMapFlags>(GST_MAP_FLAG_LAST << 1);

/// A GstCudaMemory, as far as it is public.
struct Memory {
  GstMemory memory;
  GstObject* context;  ///< a GstCudaContext
};

/// A GstCudaBufferPool likewise.
struct Pool {
  GstBufferPool pool;
  GstObject* context;
};

struct Library {
  gboolean (*load)() = nullptr;
  void (*init_memory)() = nullptr;
  GstObject* (*wrap)(Context context, Device device) = nullptr;
  gpointer (*handle_of)(GstObject* context) = nullptr;
  GType (*context_type)() = nullptr;
  GstContext* (*new_context)(GstObject* context) = nullptr;
  gboolean (*answer_context)(GstElement* element, GstQuery* query, GstObject* context) = nullptr;
  gboolean (*is_memory)(GstMemory* memory) = nullptr;
  GType (*pool_type)() = nullptr;
  GstBufferPool* (*new_pool)(GstObject* context) = nullptr;
  // 1.24 and later; null before.
  gpointer (*stream_of)(GstMemory* memory) = nullptr;
  Stream (*stream_handle)(gpointer stream) = nullptr;
};

/// Null where it is missing or finds no driver.
const Library* library();

/// Whether CAPS are of CUDA memory.
bool is_device_caps(const GstCaps* caps);

}  // namespace latentsync::cuda
