#include "core/face/track.h"

#include "core/face/appearance.h"
#include "core/face/plausibility.h"

#include <cmath>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace latentsync::face {
namespace {

// Of the region's size, and as a factor.
constexpr double kJumpDistance = 0.25;
constexpr double kJumpGrowth = 1.5;

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

FaceTracker::FaceTracker(FaceDetector detector, FaceLandmarker landmarker)
    : detector_(std::move(detector)), landmarker_(std::move(landmarker)) {}

Followed FaceTracker::follow(const FrameSampler& frame, FaceTrack& track) const {
  const at::NoGradGuard no_grad;
  if (!track.region) return {};
  auto seen = look(frame, *track.region);
  if (!seen) return {};
  if (is_cut(track.appearance, seen->appearance)) return {.cut = true};
  const auto region = next_region(seen->face.landmarks);
  if (!(seen->face.landmarks.presence >= kLeastConfidence) || is_jump(*track.region, region)) {
    return {};
  }
  track = {region, std::move(seen->appearance)};
  return {.face = std::move(seen->face)};
}

std::optional<TrackedFace> FaceTracker::begin(const FrameSampler& frame, const Detection& detection,
                                              FaceTrack& track) const {
  const at::NoGradGuard no_grad;
  const auto first = look(frame, face_region(detection));
  if (!first) return std::nullopt;
  // A detector's box differs from the mesh's. A second look, at the region that the first look's
  // mesh gives, makes this frame's mesh agree with those of the frames that follow.
  auto second = look(frame, next_region(first->face.landmarks));
  if (!second) return std::nullopt;
  track = {next_region(second->face.landmarks), std::move(second->appearance)};
  return std::move(second->face);
}

std::optional<FaceTracker::Look> FaceTracker::look(const FrameSampler& frame,
                                                   const RotatedSquare& region) const {
  if (!is_usable(region, frame)) return std::nullopt;
  const auto view = FaceLandmarker::view(frame, region);
  auto landmarks = landmarker_.find(view, region);
  const auto box = bounding_box(landmarks);
  return Look{{box, std::move(landmarks)}, appearance_of(view)};
}

}  // namespace latentsync::face
