#pragma once

#include "core/face/follow.h"

#include <cstddef>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Footage that is made of the sample clips, and what FaceFollower says to it.
namespace latentsync::test {

/// Frames: uint8 [3, H, W].
using Footage = std::vector<at::Tensor>;

/// The head in the first frames of a clip, all cut out at the same place, 400 pixels high; read
/// once.
const Footage& head(const std::string& clip);

/// A grey frame.
at::Tensor ground(int64_t width, int64_t height);

/// PICTURE laid on FRAME with its middle at (x, y), as far as it lies inside.
void lay(const at::Tensor& frame, const at::Tensor& picture, double x, double y);

const face::FaceTracker& tracker();

/// What the follower says to footage, in windows of WINDOW frames.
std::vector<face::FrameFaces> follow(const Footage& footage, const face::FollowSettings& settings,
                                     face::FollowState& state, size_t window = 16);
std::vector<face::FrameFaces> follow(const Footage& footage,
                                     const face::FollowSettings& settings = {.resolution = 256},
                                     size_t window = 16);

/// How much a weight changes from frame to frame in a fade.
constexpr double kStep = 1. / (face::kFadeFrames + 1);

/// The weight of the only face of each frame; 0 where there is none.
std::vector<double> weights(const std::vector<face::FrameFaces>& frames);

}  // namespace latentsync::test
