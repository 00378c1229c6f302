#pragma once

#include "core/engine.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// The fake engine's GPU: kernels on the stand-in driver (cuda_stub), where the process has it.
namespace latentsync::fake {

/// Whether there is a device of this name (cuda, cuda:N), and how a model calls it.
bool has_device(const std::string& name);
std::string full_name(const std::string& name);

/// The work of one window on frames in a device's memory, on a stream of its own. Frames in system
/// memory are for the host; this class takes no notice of them.
class DeviceWork {
 public:
  /// DEVICE: the model's.
  explicit DeviceWork(const std::string& device);
  ~DeviceWork();
  DeviceWork(const DeviceWork&) = delete;
  DeviceWork& operator=(const DeviceWork&) = delete;

  /// picture_hash() of an image, by a kernel that waits for its event if the image is on the device
  /// (the host waits for the kernel). Error: kDevice.
  Result<uint64_t> hash(const kernels::ImageView& image);
  /// The first byte of the first plane.
  Result<uint8_t> first_byte(const kernels::ImageView& image);
  /// scramble(), by a kernel if the image is on the device; then FRAMES is given an event.
  std::optional<Failure> scramble(const kernels::ImageView& image, uint64_t seed,
                                  WindowFrames& frames, size_t frame);

 private:
  struct Stub;
  std::unique_ptr<Stub> stub_;
};

}  // namespace latentsync::fake
