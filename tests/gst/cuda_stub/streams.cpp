#include "tests/gst/cuda_stub/state.h"

#include <utility>

/// The order of work: what CUDA promises, and nothing more.
namespace latentsync::cuda_stub {
namespace {

cuda::Stream find(uint64_t id) {
  for (const auto& [handle, stream] : state().streams) {
    if (stream->id == id) return handle;
  }
  return nullptr;
}

void run(cuda::Stream stream, uint64_t number);

void run(const Clock& clock) {
  for (const auto& [id, number] : clock) {
    // What a destroyed stream had to do was done then.
    if (const cuda::Stream stream = find(id)) run(stream, number);
  }
}

void run(cuda::Stream stream, uint64_t number) {
  while (stream->done < number && !stream->queue.empty()) {
    Operation next = std::move(stream->queue.front());
    stream->queue.pop_front();
    run(next.after);
    if (next.work) next.work();
    stream->done = next.number;
  }
}

/// The legacy stream waits for the context's blocking streams, and they for it.
void order_with_legacy(cuda::Stream stream) {
  const cuda::Stream legacy = stream->context->legacy;
  if (stream != legacy) {
    if (stream->blocking) merge(stream->clock, legacy->clock);
    return;
  }
  for (const auto& [handle, other] : state().streams) {
    if (other->context == stream->context && other->blocking) merge(stream->clock, other->clock);
  }
}

}  // namespace

cuda::Stream resolve(cuda::Stream stream) {
  if (!stream) return current() ? current()->legacy : nullptr;
  if (!state().streams.contains(stream)) {
    state().violate("a stream that was destroyed is used");
    return nullptr;
  }
  return stream;
}

void enqueue(cuda::Stream stream, const std::vector<Access>& accesses, std::function<void()> work) {
  order_with_legacy(stream);
  merge(stream->clock, state().host);
  Clock after = stream->clock;
  after.erase(stream->id);
  const uint64_t number = ++stream->enqueued;
  // An operation may use several parts of the same memory.
  stream->clock[stream->id] = number;
  for (const Access& access : accesses) check(stream, number, access);
  stream->queue.push_back({number, std::move(after), std::move(work)});
}

void wait_for(cuda::Stream stream, const Clock& clock) { merge(stream->clock, clock); }

void finish(const Clock& clock) {
  run(clock);
  merge(state().host, clock);
}

void finish(cuda::Stream stream) {
  order_with_legacy(stream);
  finish(Clock(stream->clock));
}

void finish(cuda::Context context) {
  for (const auto& [handle, stream] : state().streams) {
    if (stream->context == context) finish(Clock(stream->clock));
  }
}

cuda::Stream make_stream(cuda::Context context, bool blocking) {
  auto stream = std::make_unique<cuda::StreamHandle>();
  stream->id = ++state().last_stream;
  stream->context = context;
  stream->blocking = blocking;
  const cuda::Stream handle = stream.get();
  state().streams[handle] = std::move(stream);
  return handle;
}

}  // namespace latentsync::cuda_stub
