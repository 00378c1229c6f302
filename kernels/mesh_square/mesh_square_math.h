#pragma once

#include "kernels/image/sample_type.h"
#include "kernels/image/square.h"

#include <cmath>
#include <limits>

/// mesh_square()'s arithmetic, for the CPU and the CUDA kernel.
namespace latentsync::kernels {

struct MeshSquareOptions {
  int points = 0;
  double edge = 1;
  double scale = 1;
  int first = 0;
  int second = 0;
};

/// A bounding box; `finite` is false where one of its points is no number.
struct MeshBounds {
  double left, right, top, bottom;
  bool finite;
};

struct MeshPoint {
  double x, y;
};

namespace {  // each CPU level keeps its own copy: kernels/cpu/levels.h

/// Where a point of the view lies in the picture.
LATENTSYNC_INLINE MeshPoint place_point(const float* point, const Square& square, double edge) {
  const double x = (point[0] / edge - 0.5) * square.size;
  const double y = (point[1] / edge - 0.5) * square.size;
  const double cosine = std::cos(square.rotation);
  const double sine = std::sin(square.rotation);
  return {square.x + x * cosine - y * sine, square.y + x * sine + y * cosine};
}

LATENTSYNC_INLINE bool is_finite(double x) { return x - x == 0; }

LATENTSYNC_INLINE MeshBounds bounds_of(const MeshPoint& point) {
  return {point.x, point.x, point.y, point.y, is_finite(point.x) && is_finite(point.y)};
}

LATENTSYNC_INLINE MeshBounds merged(const MeshBounds& a, const MeshBounds& b) {
  return {a.left < b.left ? a.left : b.left, a.right > b.right ? a.right : b.right,
          a.top < b.top ? a.top : b.top, a.bottom > b.bottom ? a.bottom : b.bottom,
          a.finite && b.finite};
}

LATENTSYNC_INLINE Square square_around(const MeshBounds& bounds, const MeshPoint& first,
                                       const MeshPoint& second, double scale) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (!bounds.finite) return {kNone, kNone, kNone, kNone};
  const double width = bounds.right - bounds.left;
  const double height = bounds.bottom - bounds.top;
  return {bounds.left + width / 2, bounds.top + height / 2,
          scale * (width < height ? height : width),
          std::atan2(second.y - first.y, second.x - first.x)};
}

}  // namespace
}  // namespace latentsync::kernels
