#pragma once

#include "gst/cuda/driver_abi.h"

#include <optional>
#include <string>

/// The CUDA driver, opened when it is first asked for: no build and no machine needs it.
namespace latentsync::cuda {

struct Driver {
  Result (*init)(unsigned flags) = nullptr;
  Result (*device_count)(int* count) = nullptr;
  Result (*retain_primary)(Context* context, Device device) = nullptr;
  Result (*release_primary)(Device device) = nullptr;
  Result (*push)(Context context) = nullptr;
  Result (*pop)(Context* context) = nullptr;
  Result (*make_stream)(Stream* stream, unsigned flags) = nullptr;
  Result (*destroy_stream)(Stream stream) = nullptr;
  Result (*wait_for_stream)(Stream stream) = nullptr;
  Result (*make_event)(Event* event, unsigned flags) = nullptr;
  Result (*destroy_event)(Event event) = nullptr;
  Result (*record)(Event event, Stream stream) = nullptr;
  Result (*make_wait)(Stream stream, Event event, unsigned flags) = nullptr;
};

/// Null where there is none.
const Driver* driver();

/// The number of the device that is called NAME (auto, cuda, cuda:N); none for cpu and others. auto
/// and cuda are the first one, as they are for the engine.
std::optional<int> device_number(const std::string& name);

/// Makes a context current on this thread while it lives.
class Current {
 public:
  Current(const Driver& driver, Context context)
      : driver_(driver), pushed_(driver.push(context) == kSuccess) {}
  ~Current() {
    if (pushed_) driver_.pop(nullptr);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  explicit operator bool() const { return pushed_; }

 private:
  const Driver& driver_;
  bool pushed_;
};

}  // namespace latentsync::cuda
