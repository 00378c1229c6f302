#include "core/face/follow.h"

#include "core/error.h"
#include "core/face/appearance.h"
#include "core/face/choice.h"
#include "core/face/detector.h"
#include "core/face/plausibility.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace latentsync::face {
namespace {

// A face that was found anew in the frame in which it was lost is the same if the boxes overlap at
// least so much: it moved fast.
constexpr double kContinuedOverlap = 0.1;
// A new face that overlaps a known one more than this is that one, or is behind it.
constexpr double kLeastApart = 0.1;

bool same_choice(const FollowSettings& a, const FollowSettings& b) {
  const bool same_point = a.nearest_x == b.nearest_x && a.nearest_y == b.nearest_y;
  return a.select == b.select && (a.select != FaceSelect::kNearest || same_point);
}

Point wanted_place(const FrameSampler& frame, const FollowSettings& settings) {
  const bool nearest = settings.select == FaceSelect::kNearest;
  const double width = static_cast<double>(frame.width());
  const double height = static_cast<double>(frame.height());
  return {(nearest ? settings.nearest_x : 0.5) * width - 0.5,
          (nearest ? settings.nearest_y : 0.5) * height - 0.5};
}

// The faces of one window, frame by frame.
class WindowOfFaces {
 public:
  WindowOfFaces(const FaceTracker& tracker, const FollowSettings& settings, FollowState& state,
                std::span<const FrameSampler* const> frames, size_t frames_ahead)
      : tracker_(tracker),
        settings_(settings),
        state_(state),
        samplers_(frames),
        frames_ahead_(frames_ahead) {}

  /// The frame after those that were added.
  void add_next();
  std::vector<FrameFaces> finish();

 private:
  bool all() const { return settings_.select == FaceSelect::kAll; }
  bool is_search_due() const;
  void look_ahead();
  std::optional<TrackedFace> follow(FollowedFace& face);
  void follow_known();
  void drop_hidden();
  void search(const FrameSampler& frame);
  void begin(const FrameSampler& frame, const Detection& detection);
  bool is_followed(const Box& box) const;
  FollowedFace identify(const Box& box, const FaceTrack& track);
  bool add_if_plausible(FollowedFace face, const TrackedFace& seen);
  void refuse(const Box& box, double confidence);
  void report();
  void fade_out(int64_t identity);

  const FaceTracker& tracker_;
  const FollowSettings& settings_;
  FollowState& state_;
  std::span<const FrameSampler* const> samplers_;
  size_t frames_ahead_;
  std::vector<FrameFaces> frames_;
  // Of each identity that is followed: what is known of it in this frame and the next ones.
  std::map<int64_t, std::deque<Sight>> ahead_;
  const FrameSampler* before_ = nullptr;  // the frame before in this window

  // Of the current frame: faces of the frame before that could not be followed, but may be found by
  // the search; identities that ended; whether the scene is a new one.
  std::vector<FollowedFace> lost_;
  std::vector<int64_t> ended_;
  bool new_scene_ = false;
};

void WindowOfFaces::add_next() {
  const auto& frame = *samplers_[frames_.size()];
  lost_.clear();
  ended_.clear();
  if (state_.settings && !same_choice(*state_.settings, settings_)) {
    state_ = {.identities = state_.identities};
  }
  new_scene_ = !state_.settings;
  state_.settings = settings_;
  const bool due = all() && is_search_due();
  const auto* before = std::exchange(before_, &frame);
  frames_.emplace_back();

  follow_known();
  auto scene_before = std::exchange(state_.scene, at::Tensor());
  if (state_.faces.empty() || due || (all() && !lost_.empty())) {
    if (state_.faces.empty()) {
      if (before && !scene_before.defined()) scene_before = appearance_of(*before);
      state_.scene = appearance_of(frame);
      if (scene_before.defined() && is_cut(scene_before, state_.scene)) new_scene_ = true;
    }
    search(frame);
    state_.since_search = 0;
  }
  ++state_.since_search;
  report();
}

// The state gets the last frame's appearance: the next window may begin with a cut.
std::vector<FrameFaces> WindowOfFaces::finish() {
  if (before_ && !state_.scene.defined()) state_.scene = appearance_of(*before_);
  return std::move(frames_);
}

bool WindowOfFaces::is_search_due() const {
  if (std::ssize(samplers_) < kSearchInterval) return state_.since_search >= kSearchInterval;
  return static_cast<int64_t>(frames_.size()) % kSearchInterval == 0;
}

// For all faces of which nothing is known of this frame.
void WindowOfFaces::look_ahead() {
  std::vector<const FaceTrack*> tracks;
  std::vector<std::deque<Sight>*> places;
  for (const auto& face : state_.faces) {
    auto& sights = ahead_[face.identity];
    if (!sights.empty() && sights.front().region == face.track.region) continue;
    sights.clear();
    tracks.push_back(&face.track);
    places.push_back(&sights);
  }
  if (tracks.empty()) return;
  const auto rest = samplers_.subspan(frames_.size() - 1);
  auto found = tracker_.look_ahead(rest.first(std::min(rest.size(), frames_ahead_)), tracks);
  for (size_t i = 0; i < places.size(); ++i) {
    places[i]->assign(std::make_move_iterator(found[i].begin()),
                      std::make_move_iterator(found[i].end()));
  }
}

std::optional<TrackedFace> WindowOfFaces::follow(FollowedFace& face) {
  auto& sights = ahead_[face.identity];
  if (sights.empty()) return std::nullopt;
  auto sight = std::move(sights.front());
  sights.pop_front();
  return FaceTracker::follow(std::move(sight), face.track);
}

void WindowOfFaces::follow_known() {
  look_ahead();
  for (auto& before : std::exchange(state_.faces, {})) {
    auto face = before;
    const auto seen = follow(face);
    if (!seen || !add_if_plausible(std::move(face), *seen)) lost_.push_back(std::move(before));
  }
  drop_hidden();
}

// Where two tracks see the same place, one of the faces hides the other, or both tracks look at the
// same face: the one that looks less as it did alone is dropped, before it becomes the other one.
void WindowOfFaces::drop_hidden() {
  auto& faces = state_.faces;
  for (size_t i = 0; i < faces.size(); ++i) {
    for (size_t j = i + 1; j < faces.size();) {
      if (overlap(faces[i].box, faces[j].box) <= kSameFaceOverlap) {
        ++j;
        continue;
      }
      const double first = likeness(faces[i].likeness, faces[i].track.appearance);
      const double second = likeness(faces[j].likeness, faces[j].track.appearance);
      // The face that stays lies at i; j is compared again, because the next face moves there.
      if (second > first) std::swap(faces[i], faces[j]);
      ended_.push_back(faces[j].identity);
      faces.erase(faces.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
}

void WindowOfFaces::search(const FrameSampler& frame) {
  const auto place = wanted_place(frame, settings_);
  // The largest face needs no search for small ones where a near one is found.
  const auto reach = settings_.select == FaceSelect::kLargest ? Reach::kNearFirst : Reach::kAll;
  const auto found = tracker_.search(frame, reach);
  for (const auto& detection : by_preference(found, settings_.select, place)) {
    if (state_.faces.size() >= (all() ? kMostFaces : 1)) break;
    begin(frame, detection);
  }
}

void WindowOfFaces::begin(const FrameSampler& frame, const Detection& detection) {
  if (is_followed(detection.box)) return;
  FaceTrack track;
  const auto seen = tracker_.begin(frame, detection, track);
  if (!seen) return refuse(detection.box, 0);
  const double presence = seen->landmarks.presence;
  // FaceMesh's presence decides, not the detector's score.
  if (!(presence >= kLeastConfidence)) return refuse(detection.box, presence);
  if (is_followed(seen->box)) return;
  auto face = identify(seen->box, track);
  face.track = std::move(track);
  add_if_plausible(std::move(face), *seen);
}

bool WindowOfFaces::is_followed(const Box& box) const {
  return std::ranges::any_of(
      state_.faces, [&](const FollowedFace& face) { return overlap(face.box, box) > kLeastApart; });
}

// The identity of a lost face that was found again, or a new one.
FollowedFace WindowOfFaces::identify(const Box& box, const FaceTrack& track) {
  if (!new_scene_) {
    for (const auto& face : lost_) {
      if (overlap(face.box, box) >= kContinuedOverlap && !is_cut(face.likeness, track.appearance)) {
        return {.identity = face.identity, .faded_in = face.faded_in};
      }
    }
  }
  return {.identity = state_.identities, .faded_in = new_scene_ ? kFadeFrames : 0};
}

// Adds FACE, with the mesh SEEN in this frame, to the followed faces where it is plausible and can
// be aligned; whether it was added.
bool WindowOfFaces::add_if_plausible(FollowedFace face, const TrackedFace& seen) {
  const double confidence = seen.landmarks.presence;
  std::optional<AffineMatrix> matrix;
  if (is_plausible(seen.box, confidence)) {
    matrix = align(alignment_points(seen.landmarks), settings_.resolution, &face.alignment);
    if (matrix && !can_be_resampled(*matrix, settings_.resolution)) matrix.reset();
  }
  if (!matrix) {
    refuse(seen.box, confidence);
    return false;
  }
  face.box = seen.box;
  face.faded_in = std::min(face.faded_in + 1, kFadeFrames + 1);
  face.matrix = *matrix;
  face.confidence = confidence;
  state_.identities = std::max(state_.identities, face.identity + 1);
  if (!face.likeness.defined()) face.likeness = face.track.appearance;
  state_.faces.push_back(std::move(face));
  return true;
}

void WindowOfFaces::refuse(const Box& box, double confidence) {
  auto& refused = frames_.back().refused;
  if (!refused) refused = {box, confidence};
}

void WindowOfFaces::report() {
  auto& frame = frames_.back();
  for (auto& face : state_.faces) {
    const bool alone = std::ranges::none_of(state_.faces, [&](const FollowedFace& other) {
      return other.identity != face.identity && overlap(other.box, face.box) > 0;
    });
    if (alone) face.likeness = face.track.appearance;
    const double weight = std::min(1., face.faded_in / (kFadeFrames + 1.));
    frame.faces.push_back({face.identity, face.matrix, face.box, face.confidence, weight});
  }
  std::ranges::sort(frame.faces, {}, &FaceInFrame::identity);
  if (!frame.faces.empty()) frame.refused.reset();
  if (new_scene_) return;
  for (const auto& face : lost_) ended_.push_back(face.identity);
  for (const auto identity : ended_) {
    if (std::ranges::find(state_.faces, identity, &FollowedFace::identity) == state_.faces.end()) {
      fade_out(identity);
    }
  }
}

// Lowers the face's weight in the last frames before this one, in which it is missing.
void WindowOfFaces::fade_out(int64_t identity) {
  for (int before = 1; before <= kFadeFrames; ++before) {
    if (frames_.size() <= static_cast<size_t>(before)) return;
    auto& faces = frames_[frames_.size() - 1 - static_cast<size_t>(before)].faces;
    const auto face = std::ranges::find(faces, identity, &FaceInFrame::identity);
    if (face == faces.end()) return;
    face->weight = std::min(face->weight, before / (kFadeFrames + 1.));
  }
}

}  // namespace

FaceFollower::FaceFollower(FaceTracker tracker, size_t frames_ahead)
    : tracker_(std::move(tracker)), frames_ahead_(std::max<size_t>(1, frames_ahead)) {}

std::vector<FrameFaces> FaceFollower::follow(std::span<const FrameSampler* const> frames,
                                             const FollowSettings& settings, FollowState& state,
                                             std::stop_token stop) const {
  const at::NoGradGuard no_grad;
  aligned_size(settings.resolution);
  auto next = state;
  WindowOfFaces window(tracker_, settings, next, frames, frames_ahead_);
  for (size_t i = 0; i < frames.size(); ++i) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "Face detection was cancelled.");
    window.add_next();
  }
  auto found = window.finish();
  state = std::move(next);
  return found;
}

}  // namespace latentsync::face
