#include "core/face/image_sampler.h"

#include "kernels/warp_crop/warp_crop.h"

#include <ATen/ops/empty.h>

namespace latentsync::face {

ImageSampler::ImageSampler(const kernels::ImageView& image, c10::Device) : image_(image) {
  picture_ = at::empty({3, image.height, image.width}, at::kFloat);
  kernels::warp_crop(image, {}, kernels::ValueRange::kUnit, picture_);
}

at::Tensor ImageSampler::sample(const RotatedSquare& square, int64_t edge, Outside outside) const {
  return TensorSampler(picture_).sample(square, edge, outside);
}

}  // namespace latentsync::face
