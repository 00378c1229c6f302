#pragma once

#include "core/face/detector.h"
#include "core/face/frame_sampler.h"
#include "core/face/geometry.h"
#include "core/face/landmarks.h"

#include <optional>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// What is known of one face from the frames before; a value that the caller owns. A new one knows
/// nothing: use one at every discontinuity of the stream.
struct FaceTrack {
  std::optional<RotatedSquare> region;  ///< where the face is looked for; without it: everywhere
  at::Tensor appearance;                ///< coarse brightness of the region in the last frame
};

/// A face in one frame.
struct TrackedFace {
  Box box;                  ///< around the mesh
  FaceLandmarks landmarks;  ///< their presence says how certain it is that there is a face
};

/// What became of a track in the next frame.
struct Followed {
  std::optional<TrackedFace> face;  ///< the same face as in the frame before
  bool cut = false;                 ///< something else is seen at its place: another scene, perhaps
};

/// Follows a face from frame to frame, and finds faces where there is none to follow.
class FaceTracker {
 public:
  FaceTracker(FaceDetector detector, FaceLandmarker landmarker);

  /// The face of TRACK in the next frame, if it is still there with at least kLeastConfidence and
  /// did not jump: nothing that was smoothed over earlier frames holds for another one. TRACK is
  /// then the new one, else unchanged.
  Followed follow(const FrameSampler& frame, FaceTrack& track) const;

  /// Every face of the whole frame.
  FaceDetector::Found search(const FrameSampler& frame) const { return detector_.detect(frame); }

  /// The mesh of a detected face, whatever its presence, and the track that begins with it; nothing
  /// where the detection has no place in the picture.
  std::optional<TrackedFace> begin(const FrameSampler& frame, const Detection& detection,
                                   FaceTrack& track) const;

 private:
  /// What FaceMesh sees in REGION, and how the region looks.
  struct Look {
    TrackedFace face;
    at::Tensor appearance;
  };
  std::optional<Look> look(const FrameSampler& frame, const RotatedSquare& region) const;

  FaceDetector detector_;
  FaceLandmarker landmarker_;
};

}  // namespace latentsync::face
