#pragma once

#include "core/face/alignment.h"
#include "core/face/geometry.h"

#include <cstdint>

namespace latentsync::face {

/// The faces that the reference edits (latentsync/utils/face_detector.py): its detector's box is at
/// least so many pixels of the frame wide and high, its width over its height lies between these,
/// and its score is at least this. Ours are measured on the box around the mesh, which, as that
/// detector's box, goes from the forehead to the chin and from ear to ear; BlazeFace's box is a
/// square from the brows to the chin. The score is FaceMesh's presence; BlazeFace's score has
/// passed the same limit where the face was detected (kScoreLimit).
constexpr double kLeastFaceWidth = 50;
constexpr double kLeastFaceHeight = 80;
constexpr double kLeastAspect = 0.2;
constexpr double kMostAspect = 1.5;
constexpr double kLeastConfidence = 0.5;

/// Whether a face with this BOX around its mesh is worth an edit. Values that are no numbers are
/// not.
bool is_plausible(const Box& box, double confidence);

/// Whether a crop of RESOLUTION by this MATRIX can be taken from a frame of any format and put
/// back: neither of them may shrink by more than kernels::kMostFootprint.
bool can_be_resampled(const AffineMatrix& matrix, int64_t resolution);

}  // namespace latentsync::face
