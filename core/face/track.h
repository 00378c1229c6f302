#pragma once

#include "core/face/detector.h"
#include "core/face/frame_sampler.h"
#include "core/face/geometry.h"
#include "core/face/landmarks.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// Below this presence there is no face to follow (MediaPipe's limit).
constexpr double kPresenceLimit = 0.5;

/// What the face's region shows is brought to a coarse grid of brightness, full scale 1. Between
/// two frames of one scene its mean absolute change stays below the first limit, and its
/// correlation above the second; else it is a cut.
constexpr double kCutChange = 0.12;
constexpr double kCutLikeness = 0.7;

/// What is known of one face from the frames before; a value that the caller owns. A new one knows
/// nothing: use one at every discontinuity of the stream.
struct FaceTrack {
  std::optional<RotatedSquare> region;  ///< where the face is looked for; without it: everywhere
  at::Tensor appearance;                ///< coarse brightness of the region in the last frame
};

/// A face in one frame.
struct TrackedFace {
  Box box;  ///< around the mesh
  FaceLandmarks landmarks;
  /// The same face as in the frame before, followed from there. Else it was detected in this frame:
  /// nothing that was smoothed over earlier frames holds any longer.
  bool followed = false;
};

/// Says which of the detected faces is meant (best first, never empty), or none of them. It is
/// asked again, without the one it said, when a closer look shows no face there.
using FaceChoice = std::function<std::optional<size_t>(std::span<const Detection>)>;

/// The face with the largest box.
std::optional<size_t> largest_face(std::span<const Detection> faces);

/// Follows one face from frame to frame, and finds it anew where there is none to follow, where the
/// network no longer sees it, and after a cut.
class FaceTracker {
 public:
  FaceTracker(FaceDetector detector, FaceLandmarker landmarker);

  /// The face of the next frame; none where there is no face, or CHOICE wants none. TRACK is then
  /// empty, and the next frame is searched whole.
  std::optional<TrackedFace> next(const FrameSampler& frame, FaceTrack& track,
                                  const FaceChoice& choice = largest_face) const;

 private:
  /// The face of track.region if it is the same as before.
  std::optional<TrackedFace> follow(const FrameSampler& frame, FaceTrack& track) const;
  /// A face of the whole frame.
  std::optional<TrackedFace> search(const FrameSampler& frame, FaceTrack& track,
                                    const FaceChoice& choice) const;
  /// The face of REGION if there is any; TRACK is then its track.
  std::optional<TrackedFace> look(const FrameSampler& frame, const RotatedSquare& region,
                                  FaceTrack& track) const;

  FaceDetector detector_;
  FaceLandmarker landmarker_;
};

}  // namespace latentsync::face
