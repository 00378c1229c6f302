#include "core/face/alignment.h"

#include "core/error.h"

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

namespace latentsync::face {
namespace {

// FaceMesh's indices; the five of each brow run along its upper edge, the nose has the lower
// bridge, the two wings and the tip.
constexpr size_t kLeftBrow[] = {70, 63, 105, 66, 107};
constexpr size_t kRightBrow[] = {336, 296, 334, 293, 300};
constexpr size_t kNose[] = {195, 48, 278, 4};

// The reference's template, for a face of 75 x 100 pixels, and its scale at 256 pixels.
constexpr AlignmentPoints kTemplate = {{{17, 20}, {58, 20}, {37.5, 40}}};
constexpr AlignedSize kTemplateSize = {75, 100};
constexpr double kTemplateScale = 2.8;
constexpr double kTemplateResolution = 256;
constexpr size_t kNosePoint = 2;
constexpr double kSmoothing = 0.2;

double template_scale(int64_t resolution) {
  if (resolution <= 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "The crop's resolution must be positive, not " + std::to_string(resolution) + ".");
  }
  return static_cast<double>(resolution) / kTemplateResolution * kTemplateScale;
}

// The default rounding mode rounds halves to even.
Point rounded(Point point) { return {std::nearbyint(point.x), std::nearbyint(point.y)}; }

Point rounded_mean(const FaceLandmarks& landmarks, std::span<const size_t> indices) {
  Point sum;
  for (const auto index : indices) {
    const auto point = rounded({landmarks.points[index].x, landmarks.points[index].y});
    sum.x += point.x;
    sum.y += point.y;
  }
  const auto count = static_cast<double>(indices.size());
  return rounded({sum.x / count, sum.y / count});
}

// Points moved to their mean and divided by the unbiased standard deviation of all their values.
struct Normalised {
  explicit Normalised(const AlignmentPoints& source) : points(source) {
    const auto count = static_cast<double>(points.size());
    for (const auto& point : source) {
      mean.x += point.x / count;
      mean.y += point.y / count;
    }
    double sum = 0;
    for (auto& point : points) {
      point = {point.x - mean.x, point.y - mean.y};
      sum += point.x * point.x + point.y * point.y;
    }
    deviation = std::sqrt(sum / (2 * count - 1));
    for (auto& point : points) point = {point.x / deviation, point.y / deviation};
  }

  AlignmentPoints points;
  Point mean;
  double deviation = 0;
};

}  // namespace

AlignmentPoints alignment_points(const FaceLandmarks& landmarks) {
  return {rounded_mean(landmarks, kLeftBrow), rounded_mean(landmarks, kRightBrow),
          rounded_mean(landmarks, kNose)};
}

AlignedSize aligned_size(int64_t resolution) {
  const double scale = template_scale(resolution);
  return {static_cast<int64_t>(static_cast<double>(kTemplateSize.width) * scale),
          static_cast<int64_t>(static_cast<double>(kTemplateSize.height) * scale)};
}

std::optional<AffineMatrix> align(const AlignmentPoints& points, int64_t resolution,
                                  AlignmentState* state) {
  auto scaled_template = kTemplate;
  const double to_resolution = template_scale(resolution);
  for (auto& point : scaled_template) {
    point = {point.x * to_resolution, point.y * to_resolution};
  }
  const Normalised source(points);
  const Normalised target(scaled_template);

  // Among rotations without reflection, the one that fits best has these as cosine and sine times a
  // common length: what the reference's singular value decomposition with its sign of the
  // determinant comes to in two dimensions.
  double cosine = 0, sine = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto& from = source.points[i];
    const auto& to = target.points[i];
    cosine += from.x * to.x + from.y * to.y;
    sine += from.x * to.y - from.y * to.x;
  }
  const double length = std::hypot(cosine, sine);
  if (!std::isfinite(length) || !(length > 0)) return std::nullopt;

  const double scale = target.deviation / source.deviation;
  const double a = scale * cosine / length;
  const double b = scale * sine / length;
  AffineMatrix matrix = {{{a, -b, target.mean.x - a * source.mean.x + b * source.mean.y},
                          {b, a, target.mean.y - b * source.mean.x - a * source.mean.y}}};
  if (!state) return matrix;

  Point offset{target.points[kNosePoint].x - source.points[kNosePoint].x,
               target.points[kNosePoint].y - source.points[kNosePoint].y};
  if (state->offset) {
    offset = {kSmoothing * state->offset->x + (1 - kSmoothing) * offset.x,
              kSmoothing * state->offset->y + (1 - kSmoothing) * offset.y};
  }
  state->offset = offset;
  matrix[0][2] += offset.x;
  matrix[1][2] += offset.y;
  return matrix;
}

}  // namespace latentsync::face
