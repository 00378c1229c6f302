#pragma once

#include "tests/gst/cuda_stub/control.h"
#include "tests/gst/cuda_stub/memory.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// What the stand-in driver has in it. One mutex guards all of it; it is held while work is done.
namespace latentsync::cuda_stub {

/// How much of each stream's work is known to be over: the number of the last operation by stream.
using Clock = std::map<uint64_t, uint64_t>;
void merge(Clock& into, const Clock& other);

struct Operation {
  uint64_t number;
  Clock after;  ///< of other streams, what has to be done before
  std::function<void()> work;
};

}  // namespace latentsync::cuda_stub

namespace latentsync::cuda {

struct ContextHandle {
  Device device = 0;
  bool primary = false;
  int retained = 0;
  Stream legacy = nullptr;  ///< the stream that is called null
};

struct StreamHandle {
  uint64_t id = 0;
  Context context = nullptr;
  bool blocking = false;  ///< ordered with the legacy stream
  cuda_stub::Clock clock;
  uint64_t enqueued = 0;
  uint64_t done = 0;
  std::deque<cuda_stub::Operation> queue;
};

struct EventHandle {
  Context context = nullptr;
  cuda_stub::Clock clock;  ///< of what was recorded; empty: nothing
  int asked = 0;
};

}  // namespace latentsync::cuda

namespace latentsync::cuda_stub {

struct Allocation {
  cuda::Context context = nullptr;
  size_t bytes = 0;
  bool freed = false;
  Clock written;  ///< the last write
  Clock read;     ///< the reads since then
};

struct Fault {
  cuda::Result result;
  int skip;
  int times;
};

constexpr size_t kUsualPitch = 512;

struct State {
  std::recursive_mutex mutex;
  bool initialized = false;
  int devices = 2;
  size_t pitch = kUsualPitch;
  std::set<cuda::Device> lost;
  std::map<std::string, Fault> faults;
  std::map<std::string, int64_t> calls;
  std::vector<std::string> violations;

  Arena arena;
  std::map<cuda::Device, std::unique_ptr<cuda::ContextHandle>> primaries;
  std::map<cuda::Context, std::unique_ptr<cuda::ContextHandle>> contexts;
  std::map<cuda::Stream, std::unique_ptr<cuda::StreamHandle>> streams;
  std::map<cuda::Event, std::unique_ptr<cuda::EventHandle>> events;
  std::map<cuda::DevicePtr, Allocation> allocations;  ///< freed ones too
  std::map<void*, std::unique_ptr<uint8_t[]>> host_allocations;
  uint64_t last_stream = 0;
  Clock host;  ///< what hosts have waited for

  bool is_context(cuda::Context context) const;
  void violate(const std::string& text) { violations.push_back(text); }
};

State& state();

/// At the beginning of the driver's function CALL: counts it; not kSuccess where it is to fail.
cuda::Result enter(const char* call);

/// The calling thread's current context, or null.
cuda::Context current();
std::vector<cuda::Context>& context_stack();

// streams.cpp, with the mutex held

/// The stream itself, the current context's legacy one for null; null where there is none.
cuda::Stream resolve(cuda::Stream stream);
/// Appends WORK, which uses the memory of ACCESSES. Checks them.
void enqueue(cuda::Stream stream, const std::vector<Access>& accesses, std::function<void()> work);
/// STREAM's later work is done after what CLOCK says.
void wait_for(cuda::Stream stream, const Clock& clock);
/// Does what CLOCK says; then its end is known to the host.
void finish(const Clock& clock);
/// All of a stream, or of a context's streams.
void finish(cuda::Stream stream);
void finish(cuda::Context context);
cuda::Stream make_stream(cuda::Context context, bool blocking);

// accesses.cpp

/// Of device memory, what an operation of STREAM with this number does.
void check(cuda::Stream stream, uint64_t number, const Access& access);

}  // namespace latentsync::cuda_stub
