#include "core/face/image_sampler.h"

#include "core/device/transfer.h"
#include "core/error.h"
#include "kernels/warp_crop/warp_crop.h"

#include <array>
#include <cmath>
#include <cstring>
#include <string>

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

// The frame with its planes in `memory`, a new tensor on the device.
kernels::ImageView copied(const kernels::ImageView& image, c10::Device device, at::Tensor& memory) {
  const int planes = kernels::plane_count(image.format);
  std::array<int64_t, 3> begin{};
  std::array<int64_t, 3> bytes{};
  int64_t total = 0;
  for (int p = 0; p < planes; ++p) {
    const auto size = kernels::plane_size(image.format, p, image.width, image.height);
    bytes[p] = image.planes[p].stride * (size.rows - 1) + size.row_bytes;
    begin[p] = total;
    total += (bytes[p] + 1) / 2 * 2;  // 16-bit samples stay on even addresses
  }
  const auto staged = device::staging(total, device);
  for (int p = 0; p < planes; ++p) {
    std::memcpy(staged.mutable_data_ptr<uint8_t>() + begin[p], image.planes[p].data,
                static_cast<size_t>(bytes[p]));
  }
  memory = device::upload(staged, device);
  auto view = image;
  view.device = memory.get_device();
  for (int p = 0; p < planes; ++p) {
    view.planes[p].data = memory.mutable_data_ptr<uint8_t>() + begin[p];
  }
  return view;
}

// From the view's pixels to the frame's.
kernels::Affine map_of(const RotatedSquare& square, int64_t edge) {
  const double step = square.size / static_cast<double>(edge);
  const auto first =
      place_in(square, 0.5 / static_cast<double>(edge), 0.5 / static_cast<double>(edge));
  const double cosine = step * std::cos(square.rotation);
  const double sine = step * std::sin(square.rotation);
  return {.xx = cosine, .xy = -sine, .x0 = first.x, .yx = sine, .yy = cosine, .y0 = first.y};
}

}  // namespace

ImageSampler::ImageSampler(const kernels::ImageView& image, c10::Device device)
    : image_(image), device_(device) {
  check(image, device);
  if (device.is_cuda() && image.device == kernels::kSystemMemory) {
    image_ = copied(image, device, copy_);
  }
  if (image_.device != kernels::kSystemMemory) {
    device_ = c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(image_.device));
  }
}

at::Tensor ImageSampler::sample(const RotatedSquare& square, int64_t edge, Outside outside) const {
  check_square(square, edge);
  const auto view = at::empty({1, 3, edge, edge}, at::TensorOptions(at::kFloat).device(device_));
  kernels::warp_crop(
      image_, map_of(square, edge), kernels::ValueRange::kUnit, view[0],
      {.outside = outside == Outside::kBlack ? kernels::Outside::kBlack : kernels::Outside::kEdge,
       .filter = kernels::WarpFilter::kAverages});
  return view;
}

}  // namespace latentsync::face
