#pragma once

#include "core/face/frame_sampler.h"
#include "kernels/image/image_view.h"

#include <c10/core/Device.h>

namespace latentsync::face {

class ImageSampler : public FrameSampler {
 public:
  explicit ImageSampler(const kernels::ImageView& image, c10::Device device);
  int64_t width() const override { return image_.width; }
  int64_t height() const override { return image_.height; }
  at::Tensor sample(const RotatedSquare& square, int64_t edge, Outside outside) const override;

 private:
  kernels::ImageView image_;
  at::Tensor picture_;
};

}  // namespace latentsync::face
