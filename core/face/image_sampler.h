#pragma once

#include "core/face/frame_sampler.h"
#include "kernels/image/image_view.h"

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace latentsync::face {

/// A frame of any pixel format, looked at where it lies: only what a square covers is read, and
/// nothing is converted but the samples. The views are TensorSampler's of the same picture but for
/// rounding and the place of the averaged pixels (whole ones, from the frame's corner on).
///
/// The samples lie on `device`. Where that is a CUDA device and the frame lies in system memory,
/// the constructor copies its planes to the device, once for all views; otherwise nothing is
/// copied. On CUDA everything runs on the device's current stream. The frame's memory must stay,
/// and stay unchanged, as long as the sampler is used. Errors: Error kInvalidArgument for a view
/// that is not whole (kernels::check_image()), for a frame on a CUDA device that is not `device`,
/// and for a `device` that is neither CPU nor CUDA.
class ImageSampler : public FrameSampler {
 public:
  explicit ImageSampler(const kernels::ImageView& image, c10::Device device);
  int64_t width() const override { return image_.width; }
  int64_t height() const override { return image_.height; }
  /// A square of less than a millionth of a pixel for each of the view's is a c10::Error.
  at::Tensor sample(const RotatedSquare& square, int64_t edge, Outside outside) const override;
  /// The host does not read the square.
  at::Tensor sample_at(const at::Tensor& square, int64_t edge, Outside outside) const override;

 private:
  at::Tensor new_view(int64_t edge) const;

  kernels::ImageView image_;
  c10::Device device_;
  at::Tensor copy_;  ///< the planes on the device; undefined where they are read where they lie
};

}  // namespace latentsync::face
