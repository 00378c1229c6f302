#include "core/face/track.h"

#include "core/face/appearance.h"
#include "core/face/plausibility.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace latentsync::face {
namespace {

// FaceMesh's log-odds that a face is there (docs/faces.md). Of a face that stands upright in its
// region they are 20 and more; of one that stands otherwise below 12. Of a blurred or covered one
// they are lower, so that a turned region must show much more of a face than the detected one.
constexpr double kSureEvidence = 14;
constexpr double kTurnedEvidence = 8;
constexpr double kMuchSurer = 6;

// Pixels of a view that is only looked at coarsely.
constexpr int64_t kFaceEdge = 48;

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

// How the face in REGION looks, in a VIEW of another region: nearly the same, however it moved.
at::Tensor face_appearance(const at::Tensor& view, const RotatedSquare& viewed,
                           const RotatedSquare& region) {
  const auto edge = static_cast<double>(view.size(3));
  const double scale = edge / viewed.size;
  const double x = (region.center.x - viewed.center.x) * scale;
  const double y = (region.center.y - viewed.center.y) * scale;
  const double cosine = std::cos(viewed.rotation);
  const double sine = std::sin(viewed.rotation);
  const double middle = (edge - 1) / 2;
  const RotatedSquare place{{middle + x * cosine + y * sine, middle + y * cosine - x * sine},
                            region.size * scale,
                            region.rotation - viewed.rotation};
  return appearance_of(TensorSampler(view[0]).sample(place, kFaceEdge, Outside::kEdge));
}

double evidence(const TrackedFace& face) {
  return std::log(face.landmarks.presence / (1 - face.landmarks.presence));
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

std::optional<TrackedFace> FaceTracker::follow(const FrameSampler& frame, FaceTrack& track) const {
  const at::NoGradGuard no_grad;
  if (!track.region) return std::nullopt;
  auto seen = look(frame, *track.region);
  if (!seen || !(seen->face.landmarks.presence >= kLeastConfidence)) return std::nullopt;
  if (is_cut(track.appearance, seen->next.appearance) ||
      is_jump(*track.region, *seen->next.region)) {
    return std::nullopt;
  }
  track = std::move(seen->next);
  return std::move(seen->face);
}

std::optional<TrackedFace> FaceTracker::begin(const FrameSampler& frame, const Detection& detection,
                                              FaceTrack& track) const {
  const at::NoGradGuard no_grad;
  const auto region = face_region(detection);
  auto best = look_twice(frame, region, 0);
  if (!best) return std::nullopt;
  const double detected = evidence(best->face);
  if (detected < kSureEvidence) {
    for (int quarters = 1; quarters < 4; ++quarters) {
      auto turned = region;
      turned.rotation += quarters * std::numbers::pi / 2;
      auto seen = look_twice(frame, turned, kLeastConfidence);
      if (seen && evidence(seen->face) > evidence(best->face)) best = std::move(seen);
    }
    const double turned = evidence(best->face);
    if (turned > detected && !(turned > std::max(detected + kMuchSurer, kTurnedEvidence))) {
      return std::nullopt;
    }
  }
  track = std::move(best->next);
  return std::move(best->face);
}

// A detector's box differs from the mesh's. A second look, at the region that the first look's mesh
// gives, makes this frame's mesh agree with those of the frames that follow.
std::optional<FaceTracker::Look> FaceTracker::look_twice(const FrameSampler& frame,
                                                         const RotatedSquare& region,
                                                         double least) const {
  const auto first = look(frame, region);
  if (!first || first->face.landmarks.presence < least) return std::nullopt;
  return look(frame, *first->next.region);
}

std::optional<FaceTracker::Look> FaceTracker::look(const FrameSampler& frame,
                                                   const RotatedSquare& region) const {
  if (!is_usable(region, frame)) return std::nullopt;
  const auto view = FaceLandmarker::view(frame, region);
  Look seen{{.landmarks = landmarker_.find(view, region)}};
  seen.face.box = bounding_box(seen.face.landmarks);
  const auto next = next_region(seen.face.landmarks);
  if (!is_usable(next, frame)) return std::nullopt;
  seen.next = {next, face_appearance(view, region, next)};
  return seen;
}

}  // namespace latentsync::face
