#include "core/face/image_sampler.h"

#include "core/error.h"
#include "core/face/device_square.h"
#include "core/face/frame_copy.h"
#include "kernels/warp_crop/warp_crop.h"
#include "kernels/warp_crop/warp_square.h"

#include <string>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

namespace latentsync::face {
namespace {

void check(const kernels::ImageView& image, c10::Device device) {
  try {
    kernels::check_image(image);
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::kInvalidArgument, "The frame's description is incomplete.",
                error.what_without_backtrace());
  }
  if (!device.is_cpu() && !device.is_cuda()) {
    throw Error(ErrorCode::kInvalidArgument, "The face networks run on the CPU or a CUDA device.",
                device.str());
  }
  const bool there = device.is_cuda() && (!device.has_index() || device.index() == image.device);
  if (image.device != kernels::kSystemMemory && !there) {
    throw Error(ErrorCode::kInvalidArgument,
                "The frame is not on the device of the face networks; supply frames in system "
                "memory or on the same device.",
                "frame on cuda:" + std::to_string(image.device) + ", networks on " + device.str());
  }
}

kernels::Outside outside_of(Outside outside) {
  return outside == Outside::kBlack ? kernels::Outside::kBlack : kernels::Outside::kEdge;
}

}  // namespace

ImageSampler::ImageSampler(const kernels::ImageView& image, c10::Device device)
    : image_(image), device_(device) {
  check(image, device);
  if (device.is_cuda() && image.device == kernels::kSystemMemory) {
    auto copy = copy_frame(image, device);
    copy_ = std::move(copy.memory);
    image_ = copy.view;
  }
  if (image_.device != kernels::kSystemMemory) {
    device_ = c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(image_.device));
  }
}

at::Tensor ImageSampler::new_view(int64_t edge) const {
  return at::empty({1, 3, edge, edge}, at::TensorOptions(at::kFloat).device(device_));
}

at::Tensor ImageSampler::sample(const RotatedSquare& square, int64_t edge, Outside outside) const {
  check_square(square, edge);
  const auto view = new_view(edge);
  kernels::warp_crop(image_, kernels::map_of(kernel_square(square), static_cast<double>(edge)),
                     kernels::ValueRange::kUnit, view[0],
                     {.outside = outside_of(outside), .filter = kernels::WarpFilter::kAverages});
  return view;
}

at::Tensor ImageSampler::sample_at(const at::Tensor& square, int64_t edge, Outside outside) const {
  const auto view = new_view(edge);
  kernels::warp_square(image_, square, kernels::ValueRange::kUnit, view[0], outside_of(outside));
  return view;
}

}  // namespace latentsync::face
