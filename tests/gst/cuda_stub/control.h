#pragma once

#include "gst/cuda/driver_abi.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

/// A CUDA driver for tests on machines without a GPU: libcuda.so.1, to be linked, so that whatever
/// opens it by name gets this one. Two devices.
///
/// Device memory lies in host memory at addresses that fault on every access: only copies and the
/// kernels of launch() reach it. Work on a stream is done as late as CUDA allows: when somebody
/// waits for it. Every access is checked when it is enqueued; what CUDA does not promise to work is
/// a violation, whether or not it would have worked:
///   - a read that is not ordered after the last write, a write not after all reads and writes
///     (by stream order, an event, the legacy default stream or a host's wait)
///   - memory that was freed, or belongs to another context
///   - a stream, an event or a context that was destroyed
namespace latentsync::cuda_stub {

/// Devices, faults, counts and violations as at the beginning. What is alive stays.
void reset();

/// How many devices there are from now on, two at first.
void set_devices(int count);

/// The bytes that rows of memory allocated from now on are multiples of, 512 at first.
void set_pitch(size_t bytes);

/// The next TIMES calls of the driver's function CALL ("cuMemAllocPitch", without a version) after
/// the next SKIP fail with RESULT; TIMES 0: all.
void fail(const std::string& call, cuda::Result result, int skip = 0, int times = 1);

/// From now on every call that uses a context of DEVICE fails, as after a fault of a kernel. What
/// was enqueued is not done. restore_devices() is a driver that has been restarted.
void lose_device(cuda::Device device);
void restore_devices();

std::vector<std::string> violations();

/// How often CALL was called since reset(); one of "wait" counts what makes a host wait:
/// cuStreamSynchronize, cuEventSynchronize, cuCtxSynchronize and copies that are not asynchronous.
int64_t calls(const std::string& call);

/// What was made and not destroyed.
struct Live {
  int contexts = 0;
  int retained = 0;  ///< of primary contexts
  int streams = 0;
  int events = 0;
  int allocations = 0;
  int host_allocations = 0;

  bool operator==(const Live&) const = default;
};
Live live();

/// Bytes of device memory that are allocated.
int64_t device_bytes();

/// Memory that a kernel uses.
struct Access {
  const void* at = nullptr;  ///< an address in device memory
  size_t bytes = 0;
  bool writes = false;
};

/// Enqueues a kernel on STREAM of the current context. KERNEL gets an address in host memory for
/// each access, valid during the call.
cuda::Result launch(cuda::Stream stream, std::vector<Access> accesses,
                    std::function<void(std::span<uint8_t* const>)> kernel);

}  // namespace latentsync::cuda_stub
