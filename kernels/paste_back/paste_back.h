#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/image_view.h"
#include "kernels/image/sampling.h"

#include <memory>

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// The edited crop back into its frame, the inverse of warp_crop: every sample of the frame,
/// luma and chroma each where it lies, becomes old + weight * (face - old), rounded to the
/// nearest code value, with the crop and the mask taken at the sample's place in the crop. Where
/// the weight is not above zero nothing is written, so that everything outside the mask (padding,
/// alpha, the unused byte of RGBx and the other field of a view of one field too) stays
/// bit-identical. The six unused bits of a written 16-bit sample are zero.
///
/// face [3, H, W]: R, G, B, clamped to their range; resampled with Catmull-Rom's filter, stretched
/// where the frame is coarser than the crop (subsampled chroma: to its own spacing), its edge
/// repeated outside. mask [H, W]: weights, clamped to [0, 1], linearly interpolated, zero outside;
/// values that are not numbers count as 0. Both float32, contiguous, on the frame's device.
/// crop_to_frame: as warp_crop() takes it; at most kMostFootprint crop pixels for a frame's sample.
/// frame: as check_image() accepts it; the crop may lie partly or wholly outside. On CUDA
/// asynchronous on the current stream of the frame's device. The number of threads does not change
/// a bit. Errors: c10::Error, before anything is written.
void paste_back(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                const Affine& crop_to_frame, const ImageView& frame);

/// paste_back() in two steps, for a caller that writes several frames and must not fail between
/// them: the constructor does all that needs memory, write() only writes.
class PreparedPaste {
 public:
  /// As paste_back(); of FRAME the format, size, field and device count, its samples are not read.
  PreparedPaste(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                const Affine& crop_to_frame, const ImageView& frame);
  PreparedPaste(PreparedPaste&&) noexcept;
  ~PreparedPaste();

  /// Into that field of a frame of that format and size on that device. In system memory nothing is
  /// allocated. Errors: c10::Error for another frame, before anything is written.
  void write(const ImageView& frame);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// The mask that hides a crop's edge: the reference's (its rectangle eroded by a square of
/// 2 edge, edge = sqrt(area in frame pixels) / 20, rounded down, at least 1, and blurred with a
/// Gaussian of sigma = 0.3 (edge - 1) + 0.8, cut off where the erosion began) as a formula in the
/// crop: along each side the Gaussian's integral, 0 on the side, 1/2 where the erosion ends and 1
/// at twice that distance; the product of the four. All of it lies one frame pixel to the right and
/// down, where the reference's windows of even size put it. Unlike the reference's it does not
/// shrink where the face leaves the frame, and small faces are covered too.
/// float32 [height, width] in system memory.
at::Tensor soft_mask(const Affine& crop_to_frame, int64_t height, int64_t width);

}  // namespace latentsync::kernels
