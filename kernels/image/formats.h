#pragma once

#include "kernels/image/image_view.h"
#include "kernels/image/sample_type.h"

#include <array>

/// The table of pixel formats.
namespace latentsync::kernels {

struct ComponentLayout {
  int plane;
  int offset;  ///< the first sample's number among the values of a row
  int step;    ///< values from a sample to the next one
};

struct FormatLayout {
  int planes;
  int chroma_shift_x;  ///< luma samples for a chroma sample, as a power of two
  int chroma_shift_y;
  SampleType type;
  bool rgb;
  std::array<ComponentLayout, 3> components;
};

/// Throws c10::Error for a value that is no format.
const FormatLayout& format_layout(PixelFormat format);

}  // namespace latentsync::kernels
