#pragma once

#include "core/face/blazeface.h"
#include "core/face/frame_sampler.h"
#include "core/face/geometry.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace latentsync::face {

/// A face in a picture.
struct Detection {
  /// In the picture's order: the eye at the left of an upright face's picture, the other one, the
  /// tip of the nose, the mouth's middle, the two ears.
  static constexpr size_t kKeyPoints = 6;

  double score = 0;  ///< 0 to 1
  Box box;
  std::array<Point, kKeyPoints> key_points;
};

/// The reference's limit; MediaPipe's own for short range.
constexpr double kScoreLimit = 0.5;
/// Boxes that overlap more are the same face (MediaPipe's limit).
constexpr double kSameFaceOverlap = 0.3;

/// The candidates of one image whose score is at least SCORE_LIMIT, in parts of the image's edge (0
/// to 1). Those with a value that is not finite, or without area, are left out.
std::vector<Detection> decode(const BlazeFace::Candidates& candidates,
                              std::span<const BlazeFace::Grid> grids, int64_t input_size,
                              double score_limit = kScoreLimit);

/// Weighted non-maximum suppression: each face once, best first; its box and key points are the
/// mean of those that overlap the best one, weighted by their scores.
std::vector<Detection> merge_same_faces(std::vector<Detection> detections,
                                        double same_face_overlap = kSameFaceOverlap);

/// Where FaceMesh looks for a detected face: upright by the eyes' line, 1.5 times the box's longer
/// edge.
RotatedSquare face_region(const Detection& detection);

/// Which networks are asked: one after the other until one finds a face, the first being the one
/// for near faces; or all, so that a far face is found beside a near one.
enum class Reach { kNearFirst, kAll };

/// Finds the faces of a whole picture.
class FaceDetector {
 public:
  /// Networks that are loaded, on the device that the samplers give tensors on.
  explicit FaceDetector(std::vector<std::shared_ptr<BlazeFace>> networks);

  /// In the picture's pixels, best first; empty where there is no face.
  std::vector<Detection> detect(const FrameSampler& frame, Reach reach = Reach::kNearFirst) const;

 private:
  std::vector<std::shared_ptr<BlazeFace>> networks_;
};

}  // namespace latentsync::face
