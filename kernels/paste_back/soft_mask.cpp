#include "kernels/paste_back/paste_back.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

// The weights along one direction of `count` pixels, each `pitch` frame pixels wide.
std::vector<double> profile(int64_t count, double pitch, double edge, double sigma) {
  const auto integral = [sigma](double d) { return 0.5 * std::erfc(-d / (sigma * std::sqrt(2))); };
  const double below = integral(-edge);  // what the cut-off Gaussian lacks on each side
  std::vector<double> weights(count);
  for (int64_t i = 0; i < count; ++i) {
    const auto side = [&](double distance) {
      const double centred = std::clamp(distance - edge, -edge, edge);
      return (integral(centred) - below) / (1 - 2 * below);
    };
    const auto at = static_cast<double>(i);
    weights[i] = side((at + 0.5) * pitch) * side((static_cast<double>(count) - 0.5 - at) * pitch);
  }
  return weights;
}

}  // namespace

at::Tensor soft_mask(const Affine& crop_to_frame, int64_t height, int64_t width) {
  TORCH_CHECK(height > 0 && width > 0 && height <= kMostImageEdge && width <= kMostImageEdge,
              "soft_mask: ", height, "x", width, " is no crop's size");
  inverse(crop_to_frame);  // refuses what is singular or not finite
  const double across = std::hypot(crop_to_frame.xx, crop_to_frame.yx);
  const double down = std::hypot(crop_to_frame.xy, crop_to_frame.yy);
  const double area = across * static_cast<double>(width) * down * static_cast<double>(height);
  const double edge = std::max(1.0, std::floor(std::sqrt(area) / 20));
  const double sigma = 0.3 * (edge - 1) + 0.8;
  const auto columns = profile(width, across, edge, sigma);
  const auto rows = profile(height, down, edge, sigma);
  const auto mask = at::empty({height, width}, at::kFloat);
  auto* out = mask.mutable_data_ptr<float>();
  for (const double row : rows) {
    for (const double column : columns) *out++ = static_cast<float>(row * column);
  }
  return mask;
}

}  // namespace latentsync::kernels
