#pragma once

#include "kernels/image/sample_type.h"

#include <cstdint>
#include <vector>

/// A frame as three grids of samples, whatever its format: Y, Cb, Cr or R, G, B.
namespace latentsync::kernels {

struct ImageView;

/// One component's samples. Sample (i, j) is value number first + i * step of the row at
/// data + j * stride and stands at the picture's point (i * spacing_x + offset_x,
/// j * spacing_y + offset_y), in luma samples.
struct Component {
  uint8_t* data;  ///< all values of the first row
  int64_t stride;
  int32_t first;
  int32_t step;
  SampleType type;
  int32_t width;
  int32_t height;
  double spacing_x;
  double spacing_y;
  double offset_x;
  double offset_y;
};

/// Between the code values of a format (0-255 or 0-1023) and RGB in [0, 1]: the last column is
/// added. Non-linear (gamma-coded) values, as the matrices are defined (ITU-T H.273).
struct ColorTransform {
  float to_rgb[3][4];
  float from_rgb[3][4];
  float most;  ///< the largest code value
};

struct Components {
  Component of[3];
  ColorTransform color;
};

/// The components of a view that check_image() accepts.
Components components(const ImageView& image);

/// Components that are resampled together: their values lie side by side in a tile, `lanes` for
/// each point.
struct ComponentGroup {
  int first;    ///< components first ... first + count - 1
  int count;    ///< 1, 2 or 3
  int lanes;    ///< count, or 4 where a packed format has a fourth byte
  int lane[3];  ///< of component first + k
  /// Whether all lanes of all samples of a row lie at even distances in it: values begin,
  /// begin + spacing, ... Not where the components are planes.
  bool packed;
  int begin;
  int spacing;
};

/// All components, each in one group: those whose samples stand at the same points together.
std::vector<ComponentGroup> component_groups(const Components& all);

/// A group of component c alone.
ComponentGroup lone_component(const Components& all, int c);

}  // namespace latentsync::kernels
