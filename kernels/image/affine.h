#pragma once

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

/// First FIRST, then SECOND.
Affine compose(const Affine& first, const Affine& second);

/// From the network's crop to the frame, given the alignment's matrix (frame to aligned face).
/// The crop is the aligned face stretched to another size: edges fall on edges, so that pixel
/// centres are half a pixel inside on both sides, as cv::resize has it.
Affine crop_to_frame(const Affine& frame_to_aligned, double aligned_width, double aligned_height,
                     double crop_width, double crop_height);

}  // namespace latentsync::kernels
