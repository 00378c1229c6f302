#pragma once

#include "core/engine.h"
#include "core/face/alignment.h"
#include "core/face/track.h"

#include <span>
#include <stop_token>
#include <vector>

namespace latentsync::face {

struct FollowSettings {
  FaceSelect select = FaceSelect::kLargest;
  double nearest_x = 0.5;
  double nearest_y = 0.5;
  int64_t resolution = 512;
};

struct FaceInFrame {
  int64_t identity = 0;
  AffineMatrix matrix{};
  Box box;
  double confidence = 0;
  double weight = 0;
};

struct RefusedFace {
  Box box;
  double confidence = 0;
};

struct FrameFaces {
  std::vector<FaceInFrame> faces;
  std::optional<RefusedFace> refused;
};

struct FollowState {
  FaceTrack track;
  AlignmentState alignment;
};

class FaceFollower {
 public:
  explicit FaceFollower(FaceTracker tracker) : tracker_(std::move(tracker)) {}
  std::vector<FrameFaces> follow(std::span<const FrameSampler* const> frames,
                                 const FollowSettings& settings, FollowState& state,
                                 std::stop_token stop = {}) const;

 private:
  FaceTracker tracker_;
};

}  // namespace latentsync::face
