#include "core/face/landmarks.h"

#include "core/device/transfer.h"
#include "kernels/mesh_square/mesh_square.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

namespace latentsync::face {
namespace {

// MediaPipe's enlargement of the box to a region, and the points that stand upright in it: the
// outer corners of the eyes.
constexpr double kRegionScale = 1.5;
constexpr int kFirstEyeCorner = 33;
constexpr int kSecondEyeCorner = 263;

}  // namespace

Box bounding_box(const FaceLandmarks& landmarks) {
  const auto [left, right] = std::ranges::minmax(landmarks.points, {}, &Landmark::x);
  const auto [top, bottom] = std::ranges::minmax(landmarks.points, {}, &Landmark::y);
  return {left.x, top.y, right.x - left.x, bottom.y - top.y};
}

RotatedSquare next_region(const FaceLandmarks& landmarks) {
  const auto box = bounding_box(landmarks);
  const auto& first = landmarks.points[kFirstEyeCorner];
  const auto& second = landmarks.points[kSecondEyeCorner];
  return {box.center(), kRegionScale * std::max(box.width, box.height),
          std::atan2(second.y - first.y, second.x - first.x)};
}

FaceLandmarks mesh_of(std::span<const float> values, const RotatedSquare& region) {
  const double edge = FaceMesh::kInputSize;
  FaceLandmarks landmarks;
  if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) return landmarks;
  for (size_t i = 0; i < landmarks.points.size(); ++i) {
    const auto place = place_in(region, values[3 * i] / edge, values[3 * i + 1] / edge);
    landmarks.points[i] = {place.x, place.y, values[3 * i + 2] / edge * region.size};
  }
  landmarks.presence = 1 / (1 + std::exp(-static_cast<double>(values.back())));
  return landmarks;
}

at::Tensor next_region(const at::Tensor& values, const at::Tensor& region) {
  return kernels::mesh_square(values, region,
                              {.points = FaceMesh::kPoints,
                               .edge = FaceMesh::kInputSize,
                               .scale = kRegionScale,
                               .first = kFirstEyeCorner,
                               .second = kSecondEyeCorner});
}

FaceLandmarker::FaceLandmarker(std::shared_ptr<FaceMesh> network) : network_(std::move(network)) {}

at::Tensor FaceLandmarker::view(const FrameSampler& frame, const RotatedSquare& region) {
  return frame.sample(region, FaceMesh::kInputSize, Outside::kEdge);
}

FaceLandmarks FaceLandmarker::find(const at::Tensor& view, const RotatedSquare& region) const {
  return find_all(view, {&region, 1}).front();
}

std::vector<FaceLandmarks> FaceLandmarker::find_all(const at::Tensor& views,
                                                    std::span<const RotatedSquare> regions) const {
  const auto values = device::read_back(this->values(views));
  std::vector<FaceLandmarks> found;
  for (size_t i = 0; i < regions.size(); ++i) {
    found.push_back(mesh_of({values.const_data_ptr<float>() + i * kValues, kValues}, regions[i]));
  }
  return found;
}

// One tensor, and so one copy from the device, for both outputs.
at::Tensor FaceLandmarker::values(const at::Tensor& views) const {
  const at::NoGradGuard no_grad;
  const auto output = network_->forward(views);
  return at::cat({output.landmarks.flatten(1), output.presence.unsqueeze(1)}, 1).contiguous();
}

}  // namespace latentsync::face
