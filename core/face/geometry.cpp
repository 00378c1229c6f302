#include "core/face/geometry.h"

#include <algorithm>
#include <cmath>

namespace latentsync::face {

Point place_in(const RotatedSquare& square, double u, double v) {
  const double x = (u - 0.5) * square.size;
  const double y = (v - 0.5) * square.size;
  const double cosine = std::cos(square.rotation);
  const double sine = std::sin(square.rotation);
  return {square.center.x + x * cosine - y * sine, square.center.y + x * sine + y * cosine};
}

double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.left + a.width, b.left + b.width) - std::max(a.left, b.left);
  const double height = std::min(a.top + a.height, b.top + b.height) - std::max(a.top, b.top);
  if (!(width > 0) || !(height > 0)) return 0;
  const double common = width * height;
  return common / (a.width * a.height + b.width * b.height - common);
}

}  // namespace latentsync::face
