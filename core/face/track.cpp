#include "core/face/track.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/stack.h>

namespace latentsync::face {
namespace {

// A field of the coarse grid, in pixels of the network's view: 12 x 12 fields.
constexpr int64_t kFieldSize = FaceMesh::kInputSize / 12;

// Of the region's size, and as a factor.
constexpr double kJumpDistance = 0.25;
constexpr double kJumpGrowth = 1.5;

at::Tensor appearance_of(const at::Tensor& view) {
  return at::avg_pool2d(view.mean(1, /*keepdim=*/true), kFieldSize);
}

// The new face's appearance is of the region where the last one's was looked for.
bool is_cut(const at::Tensor& before, const at::Tensor& now) {
  const auto a = before - before.mean();
  const auto b = now - now.mean();
  const auto change = (now - before).abs().mean();
  const auto likeness = (a * b).sum() / (a.norm() * b.norm());
  const auto values = at::stack({change, likeness}).to(at::kCPU);
  // Written so that values which are no numbers are a cut.
  return !(values[0].item<double>() <= kCutChange && values[1].item<double>() >= kCutLikeness);
}

// No head moves so far, or comes so much nearer, between two frames.
bool is_jump(const RotatedSquare& before, const RotatedSquare& now) {
  const double distance =
      std::hypot(now.center.x - before.center.x, now.center.y - before.center.y);
  const double growth = now.size / before.size;
  return distance > kJumpDistance * before.size || growth > kJumpGrowth || growth < 1 / kJumpGrowth;
}

bool is_usable(const RotatedSquare& region, const FrameSampler& frame) {
  const auto& center = region.center;
  return std::isfinite(region.rotation) && std::isfinite(region.size) && region.size >= 1 &&
         center.x >= 0 && center.x < static_cast<double>(frame.width()) && center.y >= 0 &&
         center.y < static_cast<double>(frame.height());
}

}  // namespace

std::optional<size_t> largest_face(std::span<const Detection> faces) {
  const auto area = [](const Detection& face) { return face.box.width * face.box.height; };
  const auto largest = std::ranges::max_element(faces, {}, area);
  return static_cast<size_t>(largest - faces.begin());
}

FaceTracker::FaceTracker(FaceDetector detector, FaceLandmarker landmarker)
    : detector_(std::move(detector)), landmarker_(std::move(landmarker)) {}

std::optional<TrackedFace> FaceTracker::next(const FrameSampler& frame, FaceTrack& track,
                                             const FaceChoice& choice) const {
  const at::NoGradGuard no_grad;
  if (track.region) {
    if (auto face = follow(frame, track)) return face;
    track = {};
  }
  auto face = search(frame, track, choice);
  if (!face) track = {};
  return face;
}

std::optional<TrackedFace> FaceTracker::follow(const FrameSampler& frame, FaceTrack& track) const {
  const auto before = track;
  auto face = look(frame, *before.region, track);
  if (!face || is_cut(before.appearance, track.appearance) ||
      is_jump(*before.region, *track.region)) {
    return std::nullopt;
  }
  face->followed = true;
  return face;
}

std::optional<TrackedFace> FaceTracker::look(const FrameSampler& frame, const RotatedSquare& region,
                                             FaceTrack& track) const {
  if (!is_usable(region, frame)) return std::nullopt;
  const auto view = FaceLandmarker::view(frame, region);
  TrackedFace face{.landmarks = landmarker_.find(view, region)};
  if (face.landmarks.presence < kPresenceLimit) return std::nullopt;
  face.box = bounding_box(face.landmarks);
  track = {next_region(face.landmarks), appearance_of(view)};
  return face;
}

std::optional<TrackedFace> FaceTracker::search(const FrameSampler& frame, FaceTrack& track,
                                               const FaceChoice& choice) const {
  auto detections = detector_.detect(frame);
  while (!detections.empty()) {
    const auto chosen = choice(detections);
    if (!chosen) return std::nullopt;
    // A detector's box differs from the mesh's. A second look, at the region that the first look's
    // mesh gives, makes this frame's mesh agree with those of the frames that follow.
    if (look(frame, face_region(detections.at(*chosen)), track)) {
      if (auto face = look(frame, *track.region, track)) return face;
    }
    // The detector was wrong there; another box may be a face.
    detections.erase(detections.begin() + static_cast<std::ptrdiff_t>(*chosen));
  }
  return std::nullopt;
}

}  // namespace latentsync::face
