#include "tests/gst/cuda_stub/state.h"

#include <cstring>
#include <utility>

/// The driver's functions for memory and copies.
namespace latentsync::cuda_stub {
namespace {

cuda::Result allocate(const char* call, cuda::DevicePtr* address, size_t bytes) {
  if (const auto result = enter(call)) return result;
  if (!current()) return cuda::kInvalidContext;
  if (bytes == 0) return cuda::kInvalidValue;
  *address = state().arena.allocate(bytes);
  if (*address == 0) return cuda::kOutOfMemory;
  state().allocations[*address] = {.context = current(), .bytes = bytes, .written = {}, .read = {}};
  return cuda::kSuccess;
}

/// One side of a copy: rows of bytes.
struct Side {
  bool device = false;
  cuda::DevicePtr address = 0;
  size_t pitch = 0;

  /// Null where the address is in no device memory.
  uint8_t* host() const {
    if (!device) return reinterpret_cast<uint8_t*>(address);
    return state().arena.holds(address) ? state().arena.alias(address) : nullptr;
  }
};

/// Rows of WIDTH bytes on STREAM.
cuda::Result copy(cuda::Stream stream, const Side& from, const Side& to, size_t width,
                  size_t height) {
  uint8_t* const source = from.host();
  uint8_t* const target = to.host();
  if (!source || !target) {
    state().violate("a copy's address is not in device memory");
    return cuda::kInvalidValue;
  }
  if (from.pitch < width || to.pitch < width) return cuda::kInvalidValue;
  std::vector<Access> accesses;
  const auto bytes = [&](const Side& side) { return side.pitch * (height - 1) + width; };
  if (from.device) {
    accesses.push_back({reinterpret_cast<const void*>(from.address), bytes(from), false});
  }
  if (to.device) accesses.push_back({reinterpret_cast<const void*>(to.address), bytes(to), true});
  enqueue(stream, accesses, [=, from_pitch = from.pitch, to_pitch = to.pitch] {
    for (size_t row = 0; row < height; ++row) {
      std::memcpy(target + row * to_pitch, source + row * from_pitch, width);
    }
  });
  return cuda::kSuccess;
}

cuda::Result copy(const char* call, cuda::Stream stream, bool wait, const Side& from,
                  const Side& to, size_t width, size_t height) {
  if (const auto result = enter(call)) return result;
  const cuda::Stream found = resolve(stream);
  if (!found) return cuda::kInvalidHandle;
  if (width == 0 || height == 0) return cuda::kSuccess;
  const auto result = copy(found, from, to, width, height);
  // A copy within the device is not waited for, whatever its function is called.
  if (result != cuda::kSuccess || !wait || (from.device && to.device)) return result;
  ++state().calls["wait"];
  finish(found);
  return cuda::kSuccess;
}

Side device_side(cuda::DevicePtr address, size_t pitch) { return {true, address, pitch}; }
Side host_side(const void* address, size_t pitch) {
  return {false, reinterpret_cast<cuda::DevicePtr>(address), pitch};
}

std::pair<Side, Side> sides(const cuda::Copy2D& what) {
  Side from = what.src_type == cuda::MemoryType::kDevice
                  ? device_side(what.src_device, what.src_pitch)
                  : host_side(what.src_host, what.src_pitch);
  Side to = what.dst_type == cuda::MemoryType::kDevice
                ? device_side(what.dst_device, what.dst_pitch)
                : host_side(what.dst_host, what.dst_pitch);
  from.address += what.src_y * what.src_pitch + what.src_x;
  to.address += what.dst_y * what.dst_pitch + what.dst_x;
  return {from, to};
}

}  // namespace
}  // namespace latentsync::cuda_stub

using namespace latentsync;
using namespace latentsync::cuda_stub;

extern "C" {

cuda::Result cuMemAlloc_v2(cuda::DevicePtr* address, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  return allocate("cuMemAlloc", address, bytes);
}

cuda::Result cuMemAllocPitch_v2(cuda::DevicePtr* address, size_t* pitch, size_t width,
                                size_t height, unsigned) {
  const std::lock_guard lock(state().mutex);
  const size_t unit = state().pitch;
  *pitch = (width + unit - 1) / unit * unit;
  return allocate("cuMemAllocPitch", address, *pitch * height);
}

/// Waits for all that uses the memory, as the driver does.
cuda::Result cuMemFree_v2(cuda::DevicePtr address) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuMemFree"];
  const auto found = state().allocations.find(address);
  if (found == state().allocations.end() || found->second.freed) {
    state().violate("cuMemFree of no memory, or of memory that was freed");
    return cuda::kInvalidValue;
  }
  finish(found->second.context);
  found->second.freed = true;
  state().arena.release(address, found->second.bytes);
  return cuda::kSuccess;
}

cuda::Result cuMemAllocHost_v2(void** address, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  if (const auto result = enter("cuMemAllocHost")) return result;
  if (!current()) return cuda::kInvalidContext;
  auto memory = std::make_unique<uint8_t[]>(bytes);
  *address = memory.get();
  state().host_allocations[*address] = std::move(memory);
  return cuda::kSuccess;
}

cuda::Result cuMemFreeHost(void* address) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cuMemFreeHost"];
  if (current()) finish(current());
  if (state().host_allocations.erase(address) == 1) return cuda::kSuccess;
  state().violate("cuMemFreeHost of no memory");
  return cuda::kInvalidValue;
}

cuda::Result cuMemcpy2D_v2(const cuda::Copy2D* what) {
  const std::lock_guard lock(state().mutex);
  const auto [from, to] = sides(*what);
  return copy("cuMemcpy2D", nullptr, true, from, to, what->width, what->height);
}

cuda::Result cuMemcpy2DAsync_v2(const cuda::Copy2D* what, cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  const auto [from, to] = sides(*what);
  return copy("cuMemcpy2DAsync", stream, false, from, to, what->width, what->height);
}

cuda::Result cuMemcpyDtoD_v2(cuda::DevicePtr to, cuda::DevicePtr from, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  return copy("cuMemcpyDtoD", nullptr, true, device_side(from, bytes), device_side(to, bytes),
              bytes, 1);
}

cuda::Result cuMemcpyDtoDAsync_v2(cuda::DevicePtr to, cuda::DevicePtr from, size_t bytes,
                                  cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  return copy("cuMemcpyDtoDAsync", stream, false, device_side(from, bytes), device_side(to, bytes),
              bytes, 1);
}

cuda::Result cuMemcpyDtoH_v2(void* to, cuda::DevicePtr from, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  return copy("cuMemcpyDtoH", nullptr, true, device_side(from, bytes), host_side(to, bytes), bytes,
              1);
}

cuda::Result cuMemcpyDtoHAsync_v2(void* to, cuda::DevicePtr from, size_t bytes,
                                  cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  return copy("cuMemcpyDtoHAsync", stream, false, device_side(from, bytes), host_side(to, bytes),
              bytes, 1);
}

cuda::Result cuMemcpyHtoD_v2(cuda::DevicePtr to, const void* from, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  return copy("cuMemcpyHtoD", nullptr, true, host_side(from, bytes), device_side(to, bytes), bytes,
              1);
}

cuda::Result cuMemcpyHtoDAsync_v2(cuda::DevicePtr to, const void* from, size_t bytes,
                                  cuda::Stream stream) {
  const std::lock_guard lock(state().mutex);
  return copy("cuMemcpyHtoDAsync", stream, false, host_side(from, bytes), device_side(to, bytes),
              bytes, 1);
}

}  // extern "C"
