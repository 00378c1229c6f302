#include "core/face/track.h"

#include "core/device/transfer.h"
#include "core/face/appearance.h"
#include "core/face/device_square.h"
#include "core/face/plausibility.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

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
  return is_usable(region, frame.width(), frame.height());
}

bool is_there(const Sight& sight) {
  return sight.face && sight.face->landmarks.presence >= kLeastConfidence;
}

// A track's way through frames, on the device: what FaceMesh gives in each, and where that leads.
struct Way {
  std::vector<at::Tensor> views;
  std::vector<at::Tensor> values;   // float32 [FaceLandmarker::kValues]
  std::vector<at::Tensor> regions;  // one more than views
};

Way way_of(const FaceLandmarker& landmarker, std::span<const FrameSampler* const> frames,
           const RotatedSquare& first) {
  Way way;
  for (const auto* frame : frames) {
    if (way.views.empty()) {
      way.views.push_back(FaceLandmarker::view(*frame, first));
      way.regions.push_back(square_on(way.views.front().device(), first));
    } else {
      way.views.push_back(
          frame->sample_at(way.regions.back(), FaceMesh::kInputSize, Outside::kEdge));
    }
    way.values.push_back(landmarker.values(way.views.back())[0]);
    way.regions.push_back(next_region(way.values.back(), way.regions.back()));
  }
  return way;
}

// The values of WAY's frames and the regions that they lead to, in host memory: one copy of bytes
// from the device for all ways.
class ReadWays {
 public:
  explicit ReadWays(std::span<const Way> ways) {
    std::vector<at::Tensor> rows;
    for (const auto& way : ways) {
      for (size_t i = 0; i < way.values.size(); ++i) {
        rows.push_back(way.values[i].view(at::kByte));
        rows.push_back(way.regions[i + 1].view(at::kByte));
      }
    }
    if (!rows.empty()) bytes_ = device::read_back(at::cat(rows));
  }

  /// Of the next frame, in the order of the ways.
  std::span<const float> next_values() {
    std::memcpy(values_.data(), take(sizeof values_), sizeof values_);
    return values_;
  }
  RotatedSquare next_region() {
    std::array<double, 4> square;
    std::memcpy(square.data(), take(sizeof square), sizeof square);
    return square_in(square.data());
  }
  void skip(size_t frames) { at_ += frames * (sizeof values_ + 4 * sizeof(double)); }

 private:
  const uint8_t* take(size_t size) {
    at_ += size;
    return bytes_.const_data_ptr<uint8_t>() + at_ - size;
  }

  at::Tensor bytes_;
  size_t at_ = 0;
  std::array<float, FaceLandmarker::kValues> values_;
};

// What WAY means, as far as it is one; the appearances, and whether they are cuts, are still to be
// found.
std::vector<Sight> sights_of(const Way& way, ReadWays& read, RotatedSquare region,
                             std::span<const FrameSampler* const> frames) {
  std::vector<Sight> sights;
  for (size_t i = 0; i < way.views.size(); ++i) {
    Sight sight{.region = region};
    const auto mesh = mesh_of(read.next_values(), region);
    region = read.next_region();
    if (is_usable(region, *frames[i])) {
      sight.face = TrackedFace{bounding_box(mesh), mesh};
      sight.next.region = region;
    }
    sights.push_back(std::move(sight));
    if (is_there(sights.back()) && !is_jump(sights.back().region, region)) continue;
    read.skip(way.views.size() - sights.size());
    break;
  }
  return sights;
}

}  // namespace

FaceTracker::FaceTracker(FaceDetector detector, FaceLandmarker landmarker)
    : detector_(std::move(detector)), landmarker_(std::move(landmarker)) {}

std::vector<std::vector<Sight>> FaceTracker::look_ahead(
    std::span<const FrameSampler* const> frames, std::span<const FaceTrack* const> tracks) const {
  const at::NoGradGuard no_grad;
  std::vector<Way> ways(tracks.size());
  for (size_t t = 0; t < tracks.size(); ++t) {
    const auto& region = tracks[t]->region;
    if (region && is_usable(*region, *frames.front())) {
      ways[t] = way_of(landmarker_, frames, *region);
    }
  }
  ReadWays read(ways);
  std::vector<std::vector<Sight>> sights(tracks.size());
  std::vector<at::Tensor> differences;
  for (size_t t = 0; t < tracks.size(); ++t) {
    if (ways[t].views.empty()) continue;
    sights[t] = sights_of(ways[t], read, *tracks[t]->region, frames);
    const auto* before = &tracks[t]->appearance;
    for (size_t i = 0; i < sights[t].size() && is_there(sights[t][i]); ++i) {
      auto& sight = sights[t][i];
      sight.next.appearance = face_appearance(ways[t].views[i], sight.region, *sight.next.region);
      differences.push_back(difference(*before, sight.next.appearance));
      before = &sight.next.appearance;
    }
  }
  if (differences.empty()) return sights;
  const auto values = device::read_back(at::stack(differences));
  const float* value = values.const_data_ptr<float>();
  for (auto& of_track : sights) {
    for (size_t i = 0; i < of_track.size() && is_there(of_track[i]); ++i, value += 2) {
      of_track[i].cut = is_cut(std::span<const float, 2>(value, 2));
    }
  }
  return sights;
}

std::optional<TrackedFace> FaceTracker::follow(Sight sight, FaceTrack& track) {
  if (!is_there(sight) || sight.cut || is_jump(*track.region, *sight.next.region)) {
    return std::nullopt;
  }
  track = std::move(sight.next);
  return std::move(sight.face);
}

std::optional<TrackedFace> FaceTracker::follow(const FrameSampler& frame, FaceTrack& track) const {
  const FrameSampler* const frames[] = {&frame};
  const FaceTrack* const tracks[] = {&track};
  auto sights = std::move(look_ahead(frames, tracks).front());
  if (sights.empty()) return std::nullopt;
  return follow(std::move(sights.front()), track);
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
