#pragma once

/// Places in a picture. Unless said otherwise the unit is the picture's pixel and (0, 0) is the
/// centre of the first one, x to the right, y down, as the alignment's matrices have it.
namespace latentsync::face {

struct Point {
  double x = 0;
  double y = 0;

  bool operator==(const Point&) const = default;
};

struct Box {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;

  Point center() const { return {left + width / 2, top + height / 2}; }
};

/// A square turned around its centre by ROTATION, in radians, clockwise as
/// the picture is seen.
struct RotatedSquare {
  Point center;
  double size = 0;
  double rotation = 0;

  bool operator==(const RotatedSquare&) const = default;
};

/// The picture's place of (u, v), which run from 0 to 1 over the square's own edges.
Point place_in(const RotatedSquare& square, double u, double v);

/// Area of the overlap of two boxes over the area of both; 0 where either has no area.
double overlap(const Box& a, const Box& b);

}  // namespace latentsync::face
