#include "core/face/detector.h"

#include "core/device/transfer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

namespace latentsync::face {
namespace {

// MediaPipe clips logits here before the sigmoid.
constexpr double kLogitLimit = 100;
// MediaPipe's enlargement of a box to a region.
constexpr double kRegionScale = 1.5;

double sigmoid(double logit) {
  return 1 / (1 + std::exp(-std::clamp(logit, -kLogitLimit, kLogitLimit)));
}

bool is_usable(const Detection& face) {
  double sum = face.box.left + face.box.top + face.box.width + face.box.height;
  for (const auto& point : face.key_points) sum += point.x + point.y;
  return std::isfinite(sum) && face.box.width > 0 && face.box.height > 0;
}

// VALUES of one candidate at the anchor CENTER, all anchors having the size of the image.
Detection decode_one(const float* values, Point center, double size, double score) {
  const auto at = [&](size_t i) {
    return Point{values[2 * i] / size + center.x, values[2 * i + 1] / size + center.y};
  };
  Detection face{.score = score};
  const auto middle = at(0);
  const double width = values[2] / size;
  const double height = values[3] / size;
  face.box = {middle.x - width / 2, middle.y - height / 2, width, height};
  for (size_t i = 0; i < Detection::kKeyPoints; ++i) face.key_points[i] = at(2 + i);
  return face;
}

Detection weighted_mean(std::span<const Detection> faces) {
  Detection mean{.score = faces.front().score};
  double total = 0;
  for (const auto& face : faces) total += face.score;
  for (const auto& face : faces) {
    const double weight = face.score / total;
    mean.box.left += weight * face.box.left;
    mean.box.top += weight * face.box.top;
    mean.box.width += weight * face.box.width;
    mean.box.height += weight * face.box.height;
    for (size_t i = 0; i < Detection::kKeyPoints; ++i) {
      mean.key_points[i].x += weight * face.key_points[i].x;
      mean.key_points[i].y += weight * face.key_points[i].y;
    }
  }
  return mean;
}

}  // namespace

std::vector<Detection> decode(const BlazeFace::Candidates& candidates,
                              std::span<const BlazeFace::Grid> grids, int64_t input_size,
                              double score_limit) {
  // One copy from the device for both.
  const auto& boxes = candidates.boxes[0];
  const auto read =
      device::read_back(at::cat({boxes.flatten(), candidates.logits[0]}).to(at::kFloat));
  const float* values = read.const_data_ptr<float>();
  const float* logit = values + boxes.numel();
  std::vector<Detection> faces;
  for (const auto& grid : grids) {
    for (int64_t place = 0; place < grid.cells * grid.cells; ++place) {
      const auto cells = static_cast<double>(grid.cells);
      const Point center{(static_cast<double>(place % grid.cells) + 0.5) / cells,
                         (static_cast<double>(place / grid.cells) + 0.5) / cells};
      for (int64_t anchor = 0; anchor < grid.anchors_per_cell; ++anchor) {
        const double score = sigmoid(*logit++);
        if (score >= score_limit) {
          const auto face = decode_one(values, center, static_cast<double>(input_size), score);
          if (is_usable(face)) faces.push_back(face);
        }
        values += BlazeFace::kBoxValues;
      }
    }
  }
  return faces;
}

std::vector<Detection> merge_same_faces(std::vector<Detection> detections,
                                        double same_face_overlap) {
  // Stable, so that equal scores keep the anchors' order on every machine.
  std::ranges::stable_sort(detections, std::ranges::greater{}, &Detection::score);
  std::vector<Detection> faces;
  while (!detections.empty()) {
    const Box best = detections.front().box;
    const auto others = std::stable_partition(
        detections.begin() + 1, detections.end(),
        [&](const Detection& face) { return overlap(best, face.box) > same_face_overlap; });
    faces.push_back(weighted_mean({detections.begin(), others}));
    detections.erase(detections.begin(), others);
  }
  return faces;
}

RotatedSquare face_region(const Detection& detection) {
  const auto& [first, second] = std::pair(detection.key_points[0], detection.key_points[1]);
  return {detection.box.center(),
          kRegionScale * std::max(detection.box.width, detection.box.height),
          std::atan2(second.y - first.y, second.x - first.x)};
}

FaceDetector::FaceDetector(std::vector<std::shared_ptr<BlazeFace>> networks)
    : networks_(std::move(networks)) {}

std::vector<Detection> FaceDetector::detect(const FrameSampler& frame, Reach reach) const {
  const at::NoGradGuard no_grad;
  const auto width = static_cast<double>(frame.width());
  const auto height = static_cast<double>(frame.height());
  const RotatedSquare whole{{(width - 1) / 2, (height - 1) / 2}, std::max(width, height), 0};
  std::vector<Detection> faces;
  for (const auto& network : networks_) {
    if (reach == Reach::kNearFirst && !faces.empty()) break;
    const auto edge = network->input_size();
    const auto image = frame.sample(whole, edge, Outside::kBlack) * 2 - 1;
    // Each network's own faces first: its boxes differ a little from the other one's.
    std::ranges::move(merge_same_faces(decode(network->forward(image), network->grids(), edge)),
                      std::back_inserter(faces));
  }
  faces = merge_same_faces(std::move(faces));
  for (auto& face : faces) {
    const auto corner = place_in(whole, face.box.left, face.box.top);
    face.box = {corner.x, corner.y, face.box.width * whole.size, face.box.height * whole.size};
    for (auto& point : face.key_points) point = place_in(whole, point.x, point.y);
  }
  return faces;
}

}  // namespace latentsync::face
