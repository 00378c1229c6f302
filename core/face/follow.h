#pragma once

#include "core/engine.h"
#include "core/face/alignment.h"
#include "core/face/frame_sampler.h"
#include "core/face/geometry.h"
#include "core/face/track.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <ATen/core/Tensor.h>

/// Which faces of a stream are edited, where they lie, and how much of the edit is seen
/// (docs/faces.md).
namespace latentsync::face {

/// An edit comes and goes in this many frames next to a gap: the first frame after it has a weight
/// of 1 / (kFadeFrames + 1), the next one twice as much.
constexpr int kFadeFrames = 4;
/// FaceSelect::kAll follows no more faces than this, the largest of those that are found.
constexpr size_t kMostFaces = 8;
/// With FaceSelect::kAll new faces are looked for in every frame of a window whose number is a
/// multiple of this; in shorter windows, so many frames after the last search.
constexpr int64_t kSearchInterval = 8;

struct FollowSettings {
  FaceSelect select = FaceSelect::kLargest;
  double nearest_x = 0.5;  ///< for kNearest, in parts of the picture's width
  double nearest_y = 0.5;  ///< of its height
  int64_t resolution = 0;  ///< of the crop that the matrices are for, positive
};

/// A face that is to be edited.
struct FaceInFrame {
  int64_t identity = 0;   ///< the same number: the same face, without a cut in between
  AffineMatrix matrix;    ///< from the frame to the aligned face, smoothed
  Box box;                ///< around the mesh
  double confidence = 0;  ///< 0 to 1 that it is a face
  double weight = 1;      ///< of the edit, more than 0, at most 1
};

/// A face that is not: see core/face/plausibility.h.
struct RefusedFace {
  Box box;
  double confidence = 0;
};

struct FrameFaces {
  std::vector<FaceInFrame> faces;      ///< chosen and plausible; the oldest identity first
  std::optional<RefusedFace> refused;  ///< the first choice, where there is no plausible face
};

/// What is known of one face.
struct FollowedFace {
  int64_t identity = 0;
  FaceTrack track;
  at::Tensor likeness;  ///< how it looked when no other face was near
  AlignmentState alignment;
  AffineMatrix matrix;  ///< in the last frame, as the next two
  Box box;
  double confidence = 0;
  int faded_in = 0;  ///< frames since the gap before it, at most kFadeFrames + 1, where it is over
};

/// What the frames before leave behind; a value that the caller owns. A new one knows nothing: use
/// one at every discontinuity of the stream. In ordinary footage 32 frames of lead-in from a new
/// one give the matrices, weights and choice of the whole clip.
struct FollowState {
  std::vector<FollowedFace> faces;
  std::optional<FollowSettings> settings;  ///< of the frames before
  at::Tensor scene;                        ///< appearance of the last frame
  int64_t since_search = 0;                ///< frames
  int64_t identities = 0;                  ///< that were given away
};

/// Chooses faces and follows them through a stream's windows.
class FaceFollower {
 public:
  /// FRAMES_AHEAD: so many frames of a window are looked at together for faces that are followed,
  /// before it is decided where each is lost. The results are the same: more waits less for a
  /// device, and looks in vain at more frames behind those in which faces are lost.
  explicit FaceFollower(FaceTracker tracker, size_t frames_ahead = 1);

  /// The faces of each frame of a window. The result depends on the frames and on where windows
  /// begin and end: an edit fades out before a gap that lies in the same window. STOP is looked at
  /// before each frame; then, and where anything else throws, STATE is that of before the call.
  /// Errors: kInvalidArgument for a resolution that is not positive, kCancelled.
  std::vector<FrameFaces> follow(std::span<const FrameSampler* const> frames,
                                 const FollowSettings& settings, FollowState& state,
                                 std::stop_token stop = {}) const;

  const FaceTracker& tracker() const { return tracker_; }

 private:
  FaceTracker tracker_;
  size_t frames_ahead_;
};

}  // namespace latentsync::face
