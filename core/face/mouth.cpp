#include "core/face/mouth.h"

#include "core/face/plausibility.h"

#include <cmath>
#include <cstddef>

#include <ATen/ops/cat.h>

namespace latentsync::face {
namespace {

// FaceMesh's points in the middle of the inner lips, and at the mouth's corners.
constexpr size_t kUpperLip = 13;
constexpr size_t kLowerLip = 14;
constexpr size_t kFirstCorner = 61;
constexpr size_t kSecondCorner = 291;

// FaceMesh wants more around a face than a picture has that the face fills.
constexpr double kFirstLook = 1.25;

double distance(const Landmark& a, const Landmark& b) { return std::hypot(a.x - b.x, a.y - b.y); }

std::vector<FaceLandmarks> look(const FaceLandmarker& landmarker, const at::Tensor& pictures,
                                const std::vector<RotatedSquare>& regions) {
  std::vector<at::Tensor> views;
  for (size_t i = 0; i < regions.size(); ++i) {
    const TensorSampler picture(pictures[static_cast<int64_t>(i)]);
    views.push_back(FaceLandmarker::view(picture, regions[i]));
  }
  return landmarker.find_all(at::cat(views), regions);
}

}  // namespace

double mouth_opening(const FaceLandmarks& landmarks) {
  const auto& points = landmarks.points;
  const double width = distance(points[kFirstCorner], points[kSecondCorner]);
  return width > 0 ? distance(points[kUpperLip], points[kLowerLip]) / width : 0;
}

std::vector<std::optional<double>> mouth_openings(const FaceLandmarker& landmarker,
                                                  const at::Tensor& pictures) {
  const auto width = static_cast<double>(pictures.size(3));
  const auto height = static_cast<double>(pictures.size(2));
  const RotatedSquare whole{{(width - 1) / 2, (height - 1) / 2}, kFirstLook * width, 0};
  std::vector<RotatedSquare> regions(static_cast<size_t>(pictures.size(0)), whole);
  const auto first = look(landmarker, pictures, regions);
  // Where the first look sees no face its region may have no size.
  for (size_t i = 0; i < regions.size(); ++i) {
    if (first[i].presence >= kLeastConfidence) regions[i] = next_region(first[i]);
  }
  std::vector<std::optional<double>> openings;
  for (const auto& mesh : look(landmarker, pictures, regions)) {
    const bool seen = mesh.presence >= kLeastConfidence;
    openings.push_back(seen ? std::optional(mouth_opening(mesh)) : std::nullopt);
  }
  return openings;
}

}  // namespace latentsync::face
