#include "kernels/image/affine.h"

#include <cmath>

#include <c10/util/Exception.h>

namespace latentsync::kernels {

Affine inverse(const Affine& map) {
  const double determinant = map.xx * map.yy - map.xy * map.yx;
  TORCH_CHECK(std::isfinite(determinant) && std::isfinite(map.x0) && std::isfinite(map.y0) &&
                  std::fabs(determinant) > 1e-12,
              "affine: the matrix is singular or not finite");
  const double scale = 1 / determinant;
  Affine back{
      .xx = map.yy * scale, .xy = -map.xy * scale, .yx = -map.yx * scale, .yy = map.xx * scale};
  back.x0 = -(back.xx * map.x0 + back.xy * map.y0);
  back.y0 = -(back.yx * map.x0 + back.yy * map.y0);
  TORCH_CHECK(std::isfinite(back.x0) && std::isfinite(back.y0),
              "affine: the matrix leads too far away");
  return back;
}

Affine crop_to_frame(const Affine& frame_to_aligned, double aligned_width, double aligned_height,
                     double crop_width, double crop_height) {
  TORCH_CHECK(aligned_width > 0 && aligned_height > 0 && crop_width > 0 && crop_height > 0,
              "affine: sizes are positive");
  const double across = aligned_width / crop_width;
  const double down = aligned_height / crop_height;
  const Affine stretch{.xx = across, .x0 = 0.5 * across - 0.5, .yy = down, .y0 = 0.5 * down - 0.5};
  return compose(stretch, inverse(frame_to_aligned));
}

}  // namespace latentsync::kernels
