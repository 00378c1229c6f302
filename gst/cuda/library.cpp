#include "gst/cuda/library.h"

#include <dlfcn.h>
#include <optional>

namespace latentsync::cuda {
namespace {

constexpr char kFile[] = "libgstcuda-1.0.so.0";

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::optional<Library> open_library() {
  // Its types stay in the process.
  void* const file = dlopen(kFile, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!file) return std::nullopt;
  Library library;
  const bool whole = find(file, "gst_cuda_load_library", library.load) &&
                     find(file, "gst_cuda_memory_init_once", library.init_memory) &&
                     find(file, "gst_cuda_context_new_wrapped", library.wrap) &&
                     find(file, "gst_cuda_context_get_handle", library.handle_of) &&
                     find(file, "gst_cuda_context_get_type", library.context_type) &&
                     find(file, "gst_context_new_cuda_context", library.new_context) &&
                     find(file, "gst_cuda_handle_context_query", library.answer_context) &&
                     find(file, "gst_is_cuda_memory", library.is_memory) &&
                     find(file, "gst_cuda_buffer_pool_get_type", library.pool_type) &&
                     find(file, "gst_cuda_buffer_pool_new", library.new_pool);
  if (!whole || !library.load()) return std::nullopt;
  library.init_memory();
  if (!find(file, "gst_cuda_memory_get_stream", library.stream_of) ||
      !find(file, "gst_cuda_stream_get_handle", library.stream_handle)) {
    library.stream_of = nullptr;
  }
  return library;
}

}  // namespace

const Library* library() {
  static const std::optional<Library> the_library = open_library();
  return the_library ? &*the_library : nullptr;
}

bool is_device_caps(const GstCaps* caps) {
  if (!caps || gst_caps_is_empty(caps) || gst_caps_is_any(caps)) return false;
  const GstCapsFeatures* features = gst_caps_get_features(caps, 0);
  return features && gst_caps_features_contains(features, kMemoryFeature);
}

}  // namespace latentsync::cuda
