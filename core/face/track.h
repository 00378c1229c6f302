#pragma once

#include "core/face/detector.h"
#include "core/face/frame_sampler.h"
#include "core/face/geometry.h"
#include "core/face/landmarks.h"

#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// What is known of one face from the frames before; a value that the caller owns. A new one knows
/// nothing: use one at every discontinuity of the stream.
struct FaceTrack {
  std::optional<RotatedSquare> region;  ///< where the face is looked for; without it: everywhere
  at::Tensor appearance;                ///< of the face in the last frame, in that region
};

/// A face in one frame.
struct TrackedFace {
  Box box;                  ///< around the mesh
  FaceLandmarks landmarks;  ///< their presence says how certain it is that there is a face
};

/// What FaceMesh sees of a followed face in one frame.
struct Sight {
  RotatedSquare region;             ///< that was looked at
  std::optional<TrackedFace> face;  ///< none where it leads to no place in the frame
  FaceTrack next;                   ///< that goes on from here
  bool cut = false;                 ///< it does not look as it did in the frame before
};

/// Follows a face from frame to frame, and finds faces where there is none to follow.
class FaceTracker {
 public:
  FaceTracker(FaceDetector detector, FaceLandmarker landmarker);

  /// What is seen of the faces of TRACKS in FRAMES, one after the other, each looked for where the
  /// frame before leads: without deciding anything in between, so that the host waits twice however
  /// many they are. For each track up to the frame that says by itself that it ends, which is the
  /// last one; at least one frame, where the track has a region that lies in the first.
  std::vector<std::vector<Sight>> look_ahead(std::span<const FrameSampler* const> frames,
                                             std::span<const FaceTrack* const> tracks) const;

  /// The face of TRACK in the frame of SIGHT, which was looked at where TRACK leads, if it is still
  /// there with at least kLeastConfidence and did not jump: nothing that was smoothed over earlier
  /// frames holds for another one. TRACK is then the new one, else unchanged.
  static std::optional<TrackedFace> follow(Sight sight, FaceTrack& track);
  /// The same in the next frame.
  std::optional<TrackedFace> follow(const FrameSampler& frame, FaceTrack& track) const;

  /// The faces of the whole frame, best first.
  std::vector<Detection> search(const FrameSampler& frame, Reach reach = Reach::kNearFirst) const {
    return detector_.detect(frame, reach);
  }

  /// The mesh of a detected face, whatever its presence, and the track that begins with it.
  /// BlazeFace knows faces that are upright or on their side: of one that is upside down it takes
  /// the forehead for the mouth. Where FaceMesh is not sure of what it sees there, it looks at the
  /// same place a quarter, half and three quarters of a turn further, too, and the track begins
  /// where it is much surer. Nothing where it is a little surer only, so that nobody can say where
  /// the mouth is, or where the detection has no place in the picture.
  std::optional<TrackedFace> begin(const FrameSampler& frame, const Detection& detection,
                                   FaceTrack& track) const;

  const FaceLandmarker& landmarker() const { return landmarker_; }

 private:
  /// What FaceMesh sees in a region, and where it goes on.
  struct Look {
    TrackedFace face;
    FaceTrack next;
  };
  std::optional<Look> look(const FrameSampler& frame, const RotatedSquare& region) const;
  /// A look at the region that a first look's mesh gives: as every later frame is looked at.
  /// Nothing where the first one's presence is below LEAST.
  std::optional<Look> look_twice(const FrameSampler& frame, const RotatedSquare& region,
                                 double least) const;

  FaceDetector detector_;
  FaceLandmarker landmarker_;
};

}  // namespace latentsync::face
