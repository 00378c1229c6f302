#include "core/face/appearance.h"

#include "core/device/transfer.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/stack.h>

namespace latentsync::face {
namespace {

constexpr int64_t kFields = 12;
// Pixels of a whole frame's square view.
constexpr int64_t kFrameEdge = 96;

at::Tensor correlation(const at::Tensor& before, const at::Tensor& now) {
  const auto a = before - before.mean();
  const auto b = now - now.mean();
  return (a * b).sum() / (a.norm() * b.norm());
}

}  // namespace

at::Tensor appearance_of(const at::Tensor& picture) {
  return at::adaptive_avg_pool2d(picture.mean(1, /*keepdim=*/true), {kFields, kFields});
}

at::Tensor appearance_of(const FrameSampler& frame) {
  const auto width = static_cast<double>(frame.width());
  const auto height = static_cast<double>(frame.height());
  const double size = std::max(width, height);
  const auto square =
      frame.sample({{(width - 1) / 2, (height - 1) / 2}, size, 0}, kFrameEdge, Outside::kEdge);
  const auto columns = std::max<int64_t>(1, std::lround(width / size * kFrameEdge));
  const auto rows = std::max<int64_t>(1, std::lround(height / size * kFrameEdge));
  return appearance_of(square.narrow(3, (kFrameEdge - columns) / 2, columns)
                           .narrow(2, (kFrameEdge - rows) / 2, rows));
}

double likeness(const at::Tensor& before, const at::Tensor& now) {
  return *device::read_back(correlation(before, now)).const_data_ptr<float>();
}

at::Tensor difference(const at::Tensor& before, const at::Tensor& now) {
  return at::stack({(now - before).abs().mean(), correlation(before, now)});
}

bool is_cut(std::span<const float, 2> difference) {
  // Written so that values which are no numbers are a cut.
  return !(difference[0] <= kCutChange && difference[1] >= kCutLikeness);
}

bool is_cut(const at::Tensor& before, const at::Tensor& now) {
  const auto values = device::read_back(difference(before, now));
  return is_cut(std::span<const float, 2>(values.const_data_ptr<float>(), 2));
}

}  // namespace latentsync::face
