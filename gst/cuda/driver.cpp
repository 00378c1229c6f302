#include "gst/cuda/driver.h"

#include <charconv>
#include <dlfcn.h>
#include <string_view>
#include <system_error>

namespace latentsync::cuda {
namespace {

constexpr char kLibrary[] = "libcuda.so.1";

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::optional<Driver> open_driver() {
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) return std::nullopt;
  Driver driver;
  const bool whole = find(library, "cuInit", driver.init) &&
                     find(library, "cuDeviceGetCount", driver.device_count) &&
                     find(library, "cuDevicePrimaryCtxRetain", driver.retain_primary) &&
                     find(library, "cuDevicePrimaryCtxRelease_v2", driver.release_primary) &&
                     find(library, "cuCtxPushCurrent_v2", driver.push) &&
                     find(library, "cuCtxPopCurrent_v2", driver.pop) &&
                     find(library, "cuStreamCreate", driver.make_stream) &&
                     find(library, "cuStreamDestroy_v2", driver.destroy_stream) &&
                     find(library, "cuStreamSynchronize", driver.wait_for_stream) &&
                     find(library, "cuEventCreate", driver.make_event) &&
                     find(library, "cuEventDestroy_v2", driver.destroy_event) &&
                     find(library, "cuEventRecord", driver.record) &&
                     find(library, "cuStreamWaitEvent", driver.make_wait);
  return whole ? std::optional(driver) : std::nullopt;
}

}  // namespace

std::optional<int> device_number(const std::string& name) {
  constexpr std::string_view kNumbered = "cuda:";
  if (name == "auto" || name == "cuda") return 0;
  if (!name.starts_with(kNumbered)) return std::nullopt;
  int number = -1;
  const char* const begin = name.data() + kNumbered.size();
  const char* const end = name.data() + name.size();
  const auto [at, error] = std::from_chars(begin, end, number);
  return error == std::errc() && at == end && number >= 0 ? std::optional(number) : std::nullopt;
}

const Driver* driver() {
  static const std::optional<Driver> the_driver = open_driver();
  return the_driver ? &*the_driver : nullptr;
}

}  // namespace latentsync::cuda
