#pragma once

#include "core/face/geometry.h"
#include "core/face/landmarks.h"

#include <array>
#include <cstdint>
#include <optional>

namespace latentsync::face {

/// What LatentSync aligns on: the middle of the eyebrow at the left of the picture, of the other
/// one, and of the nose.
using AlignmentPoints = std::array<Point, 3>;

/// Maps a place of the picture to one of the aligned face: x' = m[0][0] x + m[0][1] y + m[0][2], y'
/// alike; both in pixels, (0, 0) the centre of the first.
using AffineMatrix = std::array<std::array<double, 3>, 2>;

/// The alignment's memory of the frames before; a value that the caller owns. Use a new one after
/// every cut. A frame counts a fifth of its follower, so 32 frames of lead-in from a new one give
/// the matrices of the whole clip.
struct AlignmentState {
  std::optional<Point> offset;  ///< of the nose from the template's, in standard deviations
};

/// The points that stand for those that the reference takes from another mesh: brows' upper edges,
/// and the nose's bridge, wings and tip. Each point is rounded to whole pixels, and so is each
/// mean, halves to even, as the reference does.
AlignmentPoints alignment_points(const FaceLandmarks& landmarks);

/// Width and height of the aligned face that belongs to a crop edge of RESOLUTION pixels.
struct AlignedSize {
  int64_t width = 0;
  int64_t height = 0;
};
AlignedSize aligned_size(int64_t resolution);

/// The similarity transform that lays POINTS on the template for RESOLUTION (source:
/// latentsync/utils/affine_transform.py), shifted by less than a pixel by the smoothed offset of
/// the nose. Without STATE it is not shifted. Nothing, and STATE unchanged, where the points lie in
/// one place or are not finite.
std::optional<AffineMatrix> align(const AlignmentPoints& points, int64_t resolution,
                                  AlignmentState* state = nullptr);

}  // namespace latentsync::face
