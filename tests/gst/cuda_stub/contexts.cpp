#include "tests/gst/cuda_stub/state.h"

#include <cstdio>
#include <utility>

/// The driver's functions for devices and contexts.
namespace latentsync::cuda_stub {
namespace {

constexpr int kVersion = 13000;

bool is_device(cuda::Device device) { return device >= 0 && device < state().devices; }

/// Frees what is left in a context, as the driver does. Streams and events in it are leaks.
void clear(cuda::Context context) {
  State& shared = state();
  finish(context);
  for (const auto& [handle, stream] : shared.streams) {
    if (stream->context == context && handle != context->legacy) {
      shared.violate("a context was given up with a stream in it");
    }
  }
  for (const auto& [handle, event] : shared.events) {
    if (event->context == context) shared.violate("a context was given up with an event in it");
  }
  for (auto& [at, memory] : shared.allocations) {
    if (memory.context != context || memory.freed) continue;
    memory.freed = true;
    shared.arena.release(at, memory.bytes);
  }
  std::erase_if(shared.streams,
                [&](const auto& entry) { return entry.second->context == context; });
  std::erase_if(shared.events, [&](const auto& entry) { return entry.second->context == context; });
}

bool is_used(cuda::Context context) {
  for (const auto& [at, memory] : state().allocations) {
    if (memory.context == context && !memory.freed) return true;
  }
  return false;
}

}  // namespace
}  // namespace latentsync::cuda_stub

using namespace latentsync;
using namespace latentsync::cuda_stub;

extern "C" {

cuda::Result cuInit(unsigned) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuInit")) return result;
  state().initialized = true;
  return cuda::kSuccess;
}

cuda::Result cuDriverGetVersion(int* version) {
  *version = kVersion;
  return cuda::kSuccess;
}

cuda::Result cuGetErrorName(cuda::Result, const char** text) {
  *text = "CUDA_ERROR_OF_THE_STUB";
  return cuda::kSuccess;
}

cuda::Result cuGetErrorString(cuda::Result result, const char** text) {
  *text = result == cuda::kLaunchFailed ? "the device is lost" : "an error of the stand-in driver";
  return cuda::kSuccess;
}

cuda::Result cuDeviceGetCount(int* count) {
  const std::lock_guard lock(state().mutex);
  if (!state().initialized) return cuda::kNotInitialized;
  if (const auto result = enter("cuDeviceGetCount")) return result;
  *count = state().devices;
  return cuda::kSuccess;
}

cuda::Result cuDeviceGet(cuda::Device* device, int ordinal) {
  const std::lock_guard lock(state().mutex);
  if (!state().initialized) return cuda::kNotInitialized;
  if (!is_device(ordinal)) return cuda::kInvalidDevice;
  *device = ordinal;
  return cuda::kSuccess;
}

cuda::Result cuDeviceGetName(char* name, int length, cuda::Device device) {
  std::snprintf(name, static_cast<size_t>(length), "Stand-in %d", device);
  return cuda::kSuccess;
}

cuda::Result cuDeviceGetAttribute(int* value, int attribute, cuda::Device device) {
  const std::lock_guard lock(state().mutex);
  if (!is_device(device)) return cuda::kInvalidDevice;
  switch (attribute) {
    case cuda::kAttributeTextureAlignment:
      *value = 512;
      break;
    case cuda::kAttributeComputeMajor:
      *value = 9;
      break;
    default:
      *value = 0;
  }
  return cuda::kSuccess;
}

cuda::Result cuDeviceCanAccessPeer(int* can, cuda::Device, cuda::Device) {
  *can = 0;
  return cuda::kSuccess;
}

cuda::Result cuCtxEnablePeerAccess(cuda::Context, unsigned) { return cuda::kPeerAccessUnsupported; }
cuda::Result cuCtxDisablePeerAccess(cuda::Context) { return cuda::kPeerAccessUnsupported; }

cuda::Result cuCtxCreate_v2(cuda::Context* context, unsigned, cuda::Device device) {
  const std::lock_guard lock(state().mutex);
  if (!state().initialized) return cuda::kNotInitialized;
  if (const auto result = enter("cuCtxCreate")) return result;
  if (!is_device(device)) return cuda::kInvalidDevice;
  auto made = std::make_unique<cuda::ContextHandle>();
  made->device = device;
  *context = made.get();
  made->legacy = make_stream(made.get(), false);
  state().contexts[*context] = std::move(made);
  context_stack().push_back(*context);
  return cuda::kSuccess;
}

cuda::Result cuCtxDestroy_v2(cuda::Context context) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuCtxDestroy"];
  if (!state().contexts.contains(context)) {
    state().violate("cuCtxDestroy of no context");
    return cuda::kInvalidContext;
  }
  clear(context);
  state().contexts.erase(context);
  std::erase(context_stack(), context);
  return cuda::kSuccess;
}

cuda::Result cuDevicePrimaryCtxRetain(cuda::Context* context, cuda::Device device) {
  const std::lock_guard lock(state().mutex);
  if (!state().initialized) return cuda::kNotInitialized;
  if (const auto result = enter("cuDevicePrimaryCtxRetain")) return result;
  if (!is_device(device)) return cuda::kInvalidDevice;
  auto& primary = state().primaries[device];
  if (!primary) {
    primary = std::make_unique<cuda::ContextHandle>();
    primary->device = device;
    primary->primary = true;
  }
  if (primary->retained++ == 0) primary->legacy = make_stream(primary.get(), false);
  *context = primary.get();
  return cuda::kSuccess;
}

cuda::Result cuDevicePrimaryCtxRelease_v2(cuda::Device device) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuDevicePrimaryCtxRelease"];
  const auto found = state().primaries.find(device);
  if (found == state().primaries.end() || found->second->retained == 0) {
    state().violate("a primary context was released more often than it was retained");
    return cuda::kInvalidContext;
  }
  if (--found->second->retained > 0) return cuda::kSuccess;
  const cuda::Context context = found->second.get();
  if (is_used(context)) state().violate("a primary context was released with memory in it");
  clear(context);
  return cuda::kSuccess;
}

cuda::Result cuCtxPushCurrent_v2(cuda::Context context) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuCtxPushCurrent"];
  if (!state().is_context(context)) {
    state().violate("a context that was destroyed is pushed");
    return cuda::kInvalidContext;
  }
  context_stack().push_back(context);
  return cuda::kSuccess;
}

cuda::Result cuCtxPopCurrent_v2(cuda::Context* context) {
  const std::lock_guard lock(state().mutex);
  if (context_stack().empty()) return cuda::kInvalidContext;
  if (context) *context = context_stack().back();
  context_stack().pop_back();
  return cuda::kSuccess;
}

cuda::Result cuCtxGetCurrent(cuda::Context* context) {
  *context = current();
  return cuda::kSuccess;
}

cuda::Result cuCtxSynchronize() {
  const std::lock_guard lock(state().mutex);
  ++state().calls["wait"];
  if (const auto result = enter("cuCtxSynchronize")) return result;
  if (!current()) return cuda::kInvalidContext;
  finish(current());
  return cuda::kSuccess;
}

cuda::Result cuCtxGetLimit(size_t* value, int) {
  *value = 0;
  return cuda::kSuccess;
}

cuda::Result cuCtxSetLimit(int, size_t) { return cuda::kSuccess; }

}  // extern "C"
