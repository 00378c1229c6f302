#pragma once

#include "kernels/image/sample_type.h"

/// Affine maps between a face crop and a frame. Coordinates are in pixels with the first pixel's
/// centre at (0, 0), as OpenCV and the reference have them.
namespace latentsync::kernels {

/// (x, y) -> (xx x + xy y + x0, yx x + yy y + y0).
struct Affine {
  double xx = 1, xy = 0, x0 = 0;
  double yx = 0, yy = 1, y0 = 0;
};

/// The inverse map; throws c10::Error where a coefficient is not finite or the map is singular.
Affine inverse(const Affine& map);

namespace {  // each CPU level keeps its own copy: kernels/cpu/levels.h

/// First FIRST, then SECOND.
LATENTSYNC_INLINE Affine compose(const Affine& first, const Affine& second) {
  return {.xx = second.xx * first.xx + second.xy * first.yx,
          .xy = second.xx * first.xy + second.xy * first.yy,
          .x0 = second.xx * first.x0 + second.xy * first.y0 + second.x0,
          .yx = second.yx * first.xx + second.yy * first.yx,
          .yy = second.yx * first.xy + second.yy * first.yy,
          .y0 = second.yx * first.x0 + second.yy * first.y0 + second.y0};
}

}  // namespace

/// From the network's crop to the frame, given the alignment's matrix (frame to aligned face).
/// The crop is the aligned face stretched to another size: edges fall on edges, so that pixel
/// centres are half a pixel inside on both sides, as cv::resize has it.
Affine crop_to_frame(const Affine& frame_to_aligned, double aligned_width, double aligned_height,
                     double crop_width, double crop_height);

}  // namespace latentsync::kernels
