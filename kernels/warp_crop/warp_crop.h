#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/image_view.h"
#include "kernels/image/sampling.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

enum class WarpFilter {
  /// Catmull-Rom's cubic (kernels/image/filter.h), stretched where the crop is coarser than the
  /// frame: for what people look at. At most kMostFootprint frame pixels for a crop's pixel.
  kCubic,
  /// Linear interpolation, where the crop is more than twice as coarse between averages of whole
  /// samples: for what networks look at. Quick at any size.
  kAverages,
};

struct WarpOptions {
  Outside outside = Outside::kGrey;
  WarpFilter filter = WarpFilter::kCubic;
};

/// A face's crop straight from a frame of any format: crop [3, H, W] (R, G, B) = the frame at
/// crop_to_frame(x, y), resampled once. Each component is sampled on its own grid (subsampled
/// chroma where its siting says) and converted to RGB in float with the view's exact matrix and
/// range, then clamped to the range of values. What lies outside the frame is blended in where a
/// footprint crosses the border.
///
/// frame: as check_image() accepts it; only read. crop_to_frame: luma samples, pixel centres at
/// whole numbers; not singular. crop: float32, contiguous, on the frame's device, not empty;
/// written whole. On CUDA asynchronous on the current stream of the frame's device: the frame must
/// stay until that has run. The number of threads does not change a bit. Errors: c10::Error, before
/// anything is written.
void warp_crop(const ImageView& frame, const Affine& crop_to_frame, ValueRange range,
               const at::Tensor& crop, const WarpOptions& options = {});

}  // namespace latentsync::kernels
