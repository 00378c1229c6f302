#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/image_view.h"
#include "kernels/image/sampling.h"

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// A face's crop straight from a frame of any format: crop [3, H, W] (R, G, B) = the frame at
/// crop_to_frame(x, y), resampled once with Catmull-Rom's filter, which is stretched where the
/// crop is coarser than the frame (kernels/image/filter.h). Each component is sampled on its own
/// grid (subsampled chroma where its siting says) and converted to RGB in float with the view's
/// exact matrix and range, then clamped to the range of values. Outside the frame lies the grey
/// 127/255, blended in where a footprint crosses the border.
///
/// frame: as check_image() accepts it; only read. crop_to_frame: luma samples, pixel centres at
/// whole numbers; not singular, at most kMostFootprint frame pixels for a crop's pixel. crop:
/// float32, contiguous, on the frame's device, not empty; written whole. On CUDA asynchronous on
/// the current stream of the frame's device: the frame must stay until that has run. The number of
/// threads does not change a bit. Errors: c10::Error, before anything is written.
void warp_crop(const ImageView& frame, const Affine& crop_to_frame, ValueRange range,
               const at::Tensor& crop);

}  // namespace latentsync::kernels
