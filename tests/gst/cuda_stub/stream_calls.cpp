#include "tests/gst/cuda_stub/state.h"

#include <utility>

/// The driver's functions for streams and events.
using namespace latentsync;
using namespace latentsync::cuda_stub;

namespace {

cuda::Event find(cuda::Event event) {
  if (state().events.contains(event)) return event;
  state().violate("an event that was destroyed is used");
  return nullptr;
}

}  // namespace

extern "C" {

cuda::Result cuStreamCreate(cuda::Stream* stream, unsigned flags) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuStreamCreate")) return result;
  if (!current()) return cuda::kInvalidContext;
  *stream = make_stream(current(), (flags & cuda::kStreamNonBlocking) == 0);
  return cuda::kSuccess;
}

cuda::Result cuStreamDestroy_v2(cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuStreamDestroy"];
  if (!resolve(stream)) return cuda::kInvalidHandle;
  // Its work goes on; its end is not reported.
  const Clock host = state().host;
  finish(stream);
  state().host = host;
  state().streams.erase(stream);
  return cuda::kSuccess;
}

cuda::Result cuStreamSynchronize(cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["wait"];
  if (const auto result = enter("cuStreamSynchronize")) return result;
  const cuda::Stream found = resolve(stream);
  if (!found) return cuda::kInvalidHandle;
  finish(found);
  return cuda::kSuccess;
}

/// GStreamer 1.22 looks for the first version, whose signature is the same.
cuda::Result cuStreamDestroy(cuda::Stream stream) { return cuStreamDestroy_v2(stream); }

cuda::Result cuStreamWaitEvent(cuda::Stream stream, cuda::Event event, unsigned) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuStreamWaitEvent")) return result;
  const cuda::Stream found = resolve(stream);
  if (!found || !find(event)) return cuda::kInvalidHandle;
  wait_for(found, event->clock);
  return cuda::kSuccess;
}

cuda::Result cuEventCreate(cuda::Event* event, unsigned) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuEventCreate")) return result;
  if (!current()) return cuda::kInvalidContext;
  auto made = std::make_unique<cuda::EventHandle>();
  made->context = current();
  *event = made.get();
  state().events[*event] = std::move(made);
  return cuda::kSuccess;
}

cuda::Result cuEventDestroy_v2(cuda::Event event) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuEventDestroy"];
  if (!find(event)) return cuda::kInvalidHandle;
  state().events.erase(event);
  return cuda::kSuccess;
}

cuda::Result cuEventRecord(cuda::Event event, cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuEventRecord")) return result;
  const cuda::Stream found = resolve(stream);
  if (!found || !find(event)) return cuda::kInvalidHandle;
  if (event->context != found->context) {
    state().violate("an event is recorded in a stream of another context");
    return cuda::kInvalidHandle;
  }
  enqueue(found, {}, nullptr);
  event->clock = found->clock;
  event->asked = 0;
  return cuda::kSuccess;
}

cuda::Result cuEventSynchronize(cuda::Event event) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["wait"];
  if (const auto result = enter("cuEventSynchronize")) return result;
  if (!find(event)) return cuda::kInvalidHandle;
  finish(Clock(event->clock));
  return cuda::kSuccess;
}

/// The first time it has not passed, so that no caller may rely on it.
cuda::Result cuEventQuery(cuda::Event event) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuEventQuery")) return result;
  if (!find(event)) return cuda::kInvalidHandle;
  if (event->asked++ == 0 && !event->clock.empty()) return cuda::kNotReady;
  finish(Clock(event->clock));
  return cuda::kSuccess;
}

}  // extern "C"
