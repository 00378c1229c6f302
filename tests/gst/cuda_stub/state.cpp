#include "tests/gst/cuda_stub/state.h"

#include <algorithm>
#include <cstdlib>

namespace latentsync::cuda_stub {

void merge(Clock& into, const Clock& other) {
  for (const auto& [stream, number] : other) {
    uint64_t& mine = into[stream];
    mine = std::max(mine, number);
  }
}

State& state() {
  // Never destroyed: libraries use the driver until the process is gone.
  static State* const the_state = new State;
  return *the_state;
}

bool State::is_context(cuda::Context context) const {
  if (contexts.contains(context)) return true;
  return std::any_of(primaries.begin(), primaries.end(),
                     [&](const auto& entry) { return entry.second.get() == context; });
}

std::vector<cuda::Context>& context_stack() {
  thread_local std::vector<cuda::Context> stack;
  return stack;
}

cuda::Context current() {
  const auto& stack = context_stack();
  return stack.empty() ? nullptr : stack.back();
}

cuda::Result enter(const char* call) {
  State& shared = state();
  ++shared.calls[call];
  const auto found = shared.faults.find(call);
  if (found != shared.faults.end()) {
    Fault& fault = found->second;
    if (fault.skip > 0) {
      --fault.skip;
    } else {
      const cuda::Result result = fault.result;
      if (fault.times > 0 && --fault.times == 0) shared.faults.erase(found);
      return result;
    }
  }
  const cuda::Context context = current();
  if (context && !shared.is_context(context)) {
    shared.violate(std::string(call) + " with a context that was destroyed");
    return cuda::kInvalidContext;
  }
  return context && shared.lost.contains(context->device) ? cuda::kLaunchFailed : cuda::kSuccess;
}

void reset() {
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  shared.devices = 2;
  shared.pitch = kUsualPitch;
  shared.lost.clear();
  shared.faults.clear();
  shared.calls.clear();
  shared.violations.clear();
}

void set_devices(int count) {
  const std::lock_guard lock(state().mutex);
  state().devices = count;
}

void set_pitch(size_t bytes) {
  const std::lock_guard lock(state().mutex);
  state().pitch = bytes;
}

void fail(const std::string& call, cuda::Result result, int skip, int times) {
  const std::lock_guard lock(state().mutex);
  state().faults[call] = {result, skip, times};
}

void lose_device(cuda::Device device) {
  State& shared = state();
  const std::lock_guard lock(shared.mutex);
  shared.lost.insert(device);
  for (auto& [handle, stream] : shared.streams) {
    if (stream->context->device != device) continue;
    stream->queue.clear();
    stream->done = stream->enqueued;
  }
}

void restore_devices() {
  const std::lock_guard lock(state().mutex);
  state().lost.clear();
}

std::vector<std::string> violations() {
  const std::lock_guard lock(state().mutex);
  return state().violations;
}

int64_t calls(const std::string& call) {
  const std::lock_guard lock(state().mutex);
  const auto found = state().calls.find(call);
  return found == state().calls.end() ? 0 : found->second;
}

Live live() {
  const State& shared = state();
  const std::lock_guard lock(state().mutex);
  Live result;
  result.contexts = static_cast<int>(shared.contexts.size());
  for (const auto& [device, primary] : shared.primaries) result.retained += primary->retained;
  for (const auto& [handle, stream] : shared.streams) {
    result.streams += handle != stream->context->legacy;
  }
  result.events = static_cast<int>(shared.events.size());
  for (const auto& [at, allocation] : shared.allocations) result.allocations += !allocation.freed;
  result.host_allocations = static_cast<int>(shared.host_allocations.size());
  return result;
}

int64_t device_bytes() {
  const std::lock_guard lock(state().mutex);
  int64_t bytes = 0;
  for (const auto& [at, allocation] : state().allocations) {
    if (!allocation.freed) bytes += static_cast<int64_t>(allocation.bytes);
  }
  return bytes;
}

}  // namespace latentsync::cuda_stub
