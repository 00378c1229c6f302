#include "core/face/follow.h"

namespace latentsync::face {

std::vector<FrameFaces> FaceFollower::follow(std::span<const FrameSampler* const> frames,
                                             const FollowSettings& settings, FollowState& state,
                                             std::stop_token) const {
  std::vector<FrameFaces> all;
  for (const auto* frame : frames) {
    auto& now = all.emplace_back();
    const auto face = tracker_.next(*frame, state.track);
    if (!face || !face->followed) state.alignment = {};
    if (!face) continue;
    const auto matrix =
        align(alignment_points(face->landmarks), settings.resolution, &state.alignment);
    if (matrix) now.faces.push_back({0, *matrix, face->box, face->landmarks.presence, 1});
  }
  return all;
}

}  // namespace latentsync::face
