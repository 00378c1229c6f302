#include "tests/gst/cuda_stub/state.h"

#include <utility>

/// Which memory an operation may use.
namespace latentsync::cuda_stub {
namespace {

std::pair<const cuda::DevicePtr, Allocation>* find(const Access& access) {
  auto& allocations = state().allocations;
  const auto address = reinterpret_cast<cuda::DevicePtr>(access.at);
  auto found = allocations.upper_bound(address);
  if (found == allocations.begin()) return nullptr;
  --found;
  return address + access.bytes <= found->first + found->second.bytes ? &*found : nullptr;
}

bool covers(const Clock& known, const Clock& needed) {
  for (const auto& [stream, number] : needed) {
    const auto found = known.find(stream);
    if (found == known.end() || found->second < number) return false;
  }
  return true;
}

}  // namespace

void check(cuda::Stream stream, uint64_t number, const Access& access) {
  State& shared = state();
  const std::string what = access.writes ? "a write" : "a read";
  auto* found = find(access);
  if (!found) return shared.violate(what + " outside of any device memory");
  Allocation& memory = found->second;
  if (memory.freed) return shared.violate(what + " of memory that was freed");
  if (memory.context != stream->context) {
    return shared.violate(what + " of memory of another context");
  }
  if (!covers(stream->clock, memory.written)) {
    shared.violate(what + " that is not ordered after the write before it");
  }
  if (!access.writes) {
    memory.read[stream->id] = number;
    return;
  }
  if (!covers(stream->clock, memory.read)) {
    shared.violate("a write that is not ordered after the reads before it");
  }
  memory.written = {{stream->id, number}};
  memory.read.clear();
}

cuda::Result launch(cuda::Stream stream, std::vector<Access> accesses,
                    std::function<void(std::span<uint8_t* const>)> kernel) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuLaunchKernel")) return result;
  const cuda::Stream where = resolve(stream);
  if (!where) return cuda::kInvalidHandle;
  std::vector<uint8_t*> aliases;
  for (const Access& access : accesses) {
    const auto address = reinterpret_cast<cuda::DevicePtr>(access.at);
    if (!state().arena.holds(address)) {
      state().violate("a kernel's argument is not in device memory");
      return cuda::kInvalidValue;
    }
    aliases.push_back(state().arena.alias(address));
  }
  enqueue(where, accesses,
          [aliases = std::move(aliases), kernel = std::move(kernel)] { kernel(aliases); });
  return cuda::kSuccess;
}

}  // namespace latentsync::cuda_stub

/// launch(), for libraries that cannot be linked with the stand-in: they find it by this name.
extern "C" latentsync::cuda::Result latentsync_cuda_stub_launch(
    latentsync::cuda::Stream stream, std::vector<latentsync::cuda_stub::Access> accesses,
    std::function<void(std::span<uint8_t* const>)> kernel) {
  return latentsync::cuda_stub::launch(stream, std::move(accesses), std::move(kernel));
}
