#include "kernels/paste_back/paste_back.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

// One direction of the crop in the frame.
struct Side {
  double pitch;   // frame pixels from a crop's pixel to the next one
  double slant;   // what erosion by a square takes from this side, over half the square's edge
  double moved;   // along this side, what moving by one pixel right and down is
  int64_t count;  // crop's pixels
  double length() const { return pitch * static_cast<double>(count); }
};

Side side_of(double x, double y, int64_t count) {
  const double pitch = std::hypot(x, y);
  return {.pitch = pitch,
          .slant = (std::fabs(x) + std::fabs(y)) / pitch,
          .moved = (x + y) / pitch,
          .count = count};
}

// The weights along one direction.
std::vector<double> profile(const Side& side, double edge, double sigma) {
  const double eroded = edge * side.slant;
  const auto integral = [sigma](double d) { return 0.5 * std::erfc(-d / (sigma * std::sqrt(2))); };
  const double below = integral(-eroded);  // what the cut-off Gaussian lacks on each side
  const auto rise = [&](double distance) {
    const double centred = std::clamp(distance - eroded, -eroded, eroded);
    return (integral(centred) - below) / (1 - 2 * below);
  };
  std::vector<double> weights(side.count);
  for (int64_t i = 0; i < side.count; ++i) {
    const double at = (static_cast<double>(i) + 0.5) * side.pitch - side.moved;
    weights[i] = rise(at) * rise(side.length() - at);
  }
  return weights;
}

}  // namespace

at::Tensor soft_mask(const Affine& crop_to_frame, int64_t height, int64_t width) {
  TORCH_CHECK(height > 0 && width > 0 && height <= kMostImageEdge && width <= kMostImageEdge,
              "soft_mask: ", height, "x", width, " is no crop's size");
  inverse(crop_to_frame);  // refuses what is singular or not finite
  const auto across = side_of(crop_to_frame.xx, crop_to_frame.yx, width);
  const auto down = side_of(crop_to_frame.xy, crop_to_frame.yy, height);
  // The area is measured after an erosion by one pixel.
  const double area =
      std::max(0.0, across.length() - across.slant) * std::max(0.0, down.length() - down.slant);
  const double edge = std::max(1.0, std::floor(std::sqrt(area) / 20));
  const double sigma = 0.3 * (edge - 1) + 0.8;
  const auto columns = profile(across, edge, sigma);
  const auto rows = profile(down, edge, sigma);
  const auto mask = at::empty({height, width}, at::kFloat);
  auto* out = mask.mutable_data_ptr<float>();
  for (const double row : rows) {
    for (const double column : columns) *out++ = static_cast<float>(row * column);
  }
  return mask;
}

}  // namespace latentsync::kernels
