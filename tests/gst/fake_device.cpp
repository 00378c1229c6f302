#include "tests/gst/fake_device.h"

#include "gst/cuda/driver.h"
#include "tests/gst/cuda_stub/control.h"
#include "tests/gst/fake_control.h"
#include "tests/gst/fake_picture.h"

#include <dlfcn.h>
#include <functional>
#include <span>
#include <utility>

namespace latentsync::fake {
namespace {

using kernels::ImageView;
using Launch = decltype(&cuda_stub::launch);

/// The stand-in's own function; null where the process has no driver, or a real one.
Launch launcher() {
  static const Launch found = [] {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    void* const symbol = library ? dlsym(library, "latentsync_cuda_stub_launch") : nullptr;
    return reinterpret_cast<Launch>(symbol);
  }();
  return found;
}

Failure lost() {
  return {ErrorCode::kDevice,
          "The GPU failed: check the driver and the GPU with nvidia-smi, and start the pipeline "
          "again.",
          {}};
}

std::vector<cuda_stub::Access> accesses_of(const ImageView& image, bool writes) {
  std::vector<cuda_stub::Access> accesses;
  const std::vector<PlaneBytes> planes = plane_bytes(image);
  for (size_t plane = 0; plane < planes.size(); ++plane) {
    const auto bytes = static_cast<size_t>((planes[plane].rows - 1) * image.planes[plane].stride +
                                           planes[plane].row_bytes);
    accesses.push_back({image.planes[plane].data, bytes, writes});
  }
  return accesses;
}

/// The same picture where the host reaches it.
ImageView reached(ImageView image, std::span<uint8_t* const> planes) {
  for (size_t plane = 0; plane < planes.size(); ++plane) image.planes[plane].data = planes[plane];
  image.device = kernels::kSystemMemory;
  return image;
}

}  // namespace

bool has_device(const std::string& name) {
  const auto number = cuda::device_number(name);
  const cuda::Driver* const driver = cuda::driver();
  int count = 0;
  return launcher() && number && driver && driver->init(0) == cuda::kSuccess &&
         driver->device_count(&count) == cuda::kSuccess && *number < count;
}

std::string full_name(const std::string& name) { return name == "cuda" ? "cuda:0" : name; }

struct DeviceWork::Stub {
  const cuda::Driver& driver;
  int number;
  cuda::Context context = nullptr;
  cuda::Stream stream = nullptr;
  cuda::Event event = nullptr;

  bool open() {
    if (driver.retain_primary(&context, number) != cuda::kSuccess) return false;
    const cuda::Current current(driver, context);
    return driver.make_stream(&stream, cuda::kStreamNonBlocking) == cuda::kSuccess &&
           driver.make_event(&event, cuda::kEventDisableTiming) == cuda::kSuccess;
  }

  ~Stub() {
    if (!context) return;
    {
      const cuda::Current current(driver, context);
      if (event) driver.destroy_event(event);
      if (stream) driver.destroy_stream(stream);
    }
    driver.release_primary(number);
  }

  /// KERNEL gets the image where the host reaches it, after the work before.
  bool run(const ImageView& image, bool writes, std::function<void(const ImageView&)> kernel) {
    if (image.device != number) violation("a frame in the memory of another device");
    if (!image.ready_event) violation("a frame in device memory without an event");
    if (driver.make_wait(stream, static_cast<cuda::Event>(image.ready_event), 0) !=
        cuda::kSuccess) {
      return false;
    }
    return launcher()(stream, accesses_of(image, writes),
                      [image, kernel = std::move(kernel)](std::span<uint8_t* const> planes) {
                        kernel(reached(image, planes));
                      }) == cuda::kSuccess;
  }
};

DeviceWork::DeviceWork(const std::string& device) {
  if (!device.starts_with("cuda") || !has_device(device)) return;
  stub_ = std::unique_ptr<Stub>(new Stub{*cuda::driver(), cuda::device_number(device).value_or(0)});
  if (!stub_->open()) stub_.reset();
}

DeviceWork::~DeviceWork() = default;

Result<uint64_t> DeviceWork::hash(const ImageView& image) {
  if (image.device == kernels::kSystemMemory) return picture_hash(image);
  if (!stub_) return lost();
  const cuda::Current current(stub_->driver, stub_->context);
  uint64_t result = 0;
  const bool done = stub_->run(image, false, [&](const ImageView& at) {
    result = picture_hash(at);
  }) && stub_->driver.wait_for_stream(stub_->stream) == cuda::kSuccess;
  return done ? Result<uint64_t>(result) : lost();
}

Result<uint8_t> DeviceWork::first_byte(const ImageView& image) {
  if (image.device == kernels::kSystemMemory) return *image.planes[0].data;
  if (!stub_) return lost();
  const cuda::Current current(stub_->driver, stub_->context);
  uint8_t result = 0;
  const bool done = stub_->run(image, false, [&](const ImageView& at) {
    result = *at.planes[0].data;
  }) && stub_->driver.wait_for_stream(stub_->stream) == cuda::kSuccess;
  return done ? Result<uint8_t>(result) : lost();
}

std::optional<Failure> DeviceWork::scramble(const ImageView& image, uint64_t seed,
                                            WindowFrames& frames, size_t frame) {
  if (image.device == kernels::kSystemMemory) {
    fake::scramble(image, seed);
    return std::nullopt;
  }
  if (!stub_) return lost();
  const cuda::Current current(stub_->driver, stub_->context);
  const bool done = stub_->run(image, true, [seed](const ImageView& at) {
    fake::scramble(at, seed);
  }) && stub_->driver.record(stub_->event, stub_->stream) == cuda::kSuccess;
  if (!done) return lost();
  frames.written(frame, stub_->event);
  return std::nullopt;
}

}  // namespace latentsync::fake
