#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/sample_type.h"

#include <cmath>

/// Squares of a picture that a network looks at, for the CPU and the CUDA kernels.
namespace latentsync::kernels {

/// Turned around its centre (x, y) by `rotation` radians, clockwise as the picture is seen; lengths
/// are luma samples. As a tensor: float64 [4] in this order.
struct Square {
  double x, y, size, rotation;
};

/// A square is usable in a picture that it is in with its centre, if it is no smaller than a sample
/// and no larger than this many times the picture's longer edge: more is not worth its time.
constexpr double kMostSquare = 4;

namespace {  // each CPU level keeps its own copy: kernels/cpu/levels.h

LATENTSYNC_INLINE bool is_usable(const Square& square, double width, double height) {
  // Comparisons with what is no number are false.
  const double longer = width > height ? width : height;
  const double turn = square.rotation - square.rotation;
  return square.size >= 1 && square.size <= kMostSquare * longer && square.x >= 0 &&
         square.x < width && square.y >= 0 && square.y < height && turn == 0;
}

/// From the pixels of a view with EDGE pixels on a side to the picture's samples.
LATENTSYNC_INLINE Affine map_of(const Square& square, double edge) {
  const double step = square.size / edge;
  const double first = (0.5 / edge - 0.5) * square.size;
  const double cosine = std::cos(square.rotation);
  const double sine = std::sin(square.rotation);
  return {.xx = step * cosine,
          .xy = -(step * sine),
          .x0 = square.x + first * cosine - first * sine,
          .yx = step * sine,
          .yy = step * cosine,
          .y0 = square.y + first * sine + first * cosine};
}

}  // namespace
}  // namespace latentsync::kernels
