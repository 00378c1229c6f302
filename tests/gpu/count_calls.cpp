// Preloaded into a process, counts its calls of the CUDA runtime that launch work or wait for it,
// and writes "NAME COUNT" lines to the file that LATENTSYNC_CALLS names when the process ends.
// LibTorch's calls alone: cuBLAS and cuDNN have a runtime of their own inside.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace {

constexpr int kNoFunction = 98;  // cudaErrorInvalidDeviceFunction: there is no runtime to go on to

// By value, as the runtime has them: dim3.
struct Extent {
  unsigned x, y, z;
};

struct Counter {
  explicit Counter(const char* called) : name(called), next(dlsym(RTLD_NEXT, called)) {}
  const char* name;
  void* next;
  std::atomic<int64_t> calls = 0;
};

class Counters {
 public:
  ~Counters() {
    const char* path = std::getenv("LATENTSYNC_CALLS");
    std::FILE* const file = path ? std::fopen(path, "w") : nullptr;
    if (!file) return;
    for (const Counter* counter : all()) {
      std::fprintf(file, "%s %lld\n", counter->name, static_cast<long long>(counter->calls.load()));
    }
    std::fclose(file);
  }

  Counter launch{"__cudaLaunchKernel"};
  Counter launch_with_config{"cudaLaunchKernelExC"};
  Counter copy{"cudaMemcpy"};
  Counter copy_async{"cudaMemcpyAsync"};
  Counter fill_async{"cudaMemsetAsync"};
  Counter wait_for_stream{"cudaStreamSynchronize"};
  Counter wait_for_event{"cudaEventSynchronize"};
  Counter wait_for_device{"cudaDeviceSynchronize"};

 private:
  std::array<const Counter*, 8> all() const {
    return {&launch,     &launch_with_config, &copy,           &copy_async,
            &fill_async, &wait_for_stream,    &wait_for_event, &wait_for_device};
  }
};

Counters& counters() {
  static Counters the_counters;
  return the_counters;
}

template <typename... Arguments>
int forward(Counter& counter, Arguments... arguments) {
  ++counter.calls;
  const auto next = reinterpret_cast<int (*)(Arguments...)>(counter.next);
  return next ? next(arguments...) : kNoFunction;
}

}  // namespace

extern "C" {

// What nvcc compiles a <<<launch>>> to.
int launch_kernel(const void* function, Extent grid, Extent block, void** arguments, size_t shared,
                  void* stream) __asm__("__cudaLaunchKernel");
int launch_kernel(const void* function, Extent grid, Extent block, void** arguments, size_t shared,
                  void* stream) {
  return forward(counters().launch, function, grid, block, arguments, shared, stream);
}
int cudaLaunchKernelExC(const void* config, const void* function, void** arguments) {
  return forward(counters().launch_with_config, config, function, arguments);
}
int cudaMemcpy(void* to, const void* from, size_t bytes, int kind) {
  return forward(counters().copy, to, from, bytes, kind);
}
int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, void* stream) {
  return forward(counters().copy_async, to, from, bytes, kind, stream);
}
int cudaMemsetAsync(void* to, int value, size_t bytes, void* stream) {
  return forward(counters().fill_async, to, value, bytes, stream);
}
int cudaStreamSynchronize(void* stream) { return forward(counters().wait_for_stream, stream); }
int cudaEventSynchronize(void* event) { return forward(counters().wait_for_event, event); }
int cudaDeviceSynchronize() { return forward(counters().wait_for_device); }

}  // extern "C"
