#include "core/face/landmarks.h"

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
constexpr size_t kFirstEyeCorner = 33;
constexpr size_t kSecondEyeCorner = 263;

// From what the network gives for a view of REGION: the points' coordinates, then the presence.
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

FaceLandmarker::FaceLandmarker(std::shared_ptr<FaceMesh> network) : network_(std::move(network)) {}

at::Tensor FaceLandmarker::view(const FrameSampler& frame, const RotatedSquare& region) {
  return frame.sample(region, FaceMesh::kInputSize, Outside::kEdge);
}

FaceLandmarks FaceLandmarker::find(const at::Tensor& view, const RotatedSquare& region) const {
  return find_all(view, {&region, 1}).front();
}

std::vector<FaceLandmarks> FaceLandmarker::find_all(const at::Tensor& views,
                                                    std::span<const RotatedSquare> regions) const {
  const at::NoGradGuard no_grad;
  const auto output = network_->forward(views);
  // One copy from the device for both outputs.
  const auto values = at::cat({output.landmarks.flatten(1), output.presence.unsqueeze(1)}, 1)
                          .to(at::kCPU)
                          .contiguous();
  const auto count = static_cast<size_t>(values.size(1));
  std::vector<FaceLandmarks> found;
  for (size_t i = 0; i < regions.size(); ++i) {
    found.push_back(mesh_of({values.const_data_ptr<float>() + i * count, count}, regions[i]));
  }
  return found;
}

}  // namespace latentsync::face
