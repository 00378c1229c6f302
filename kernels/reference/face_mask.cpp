#include "kernels/reference/face_mask.h"

#include "kernels/reference/lanczos4.h"

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

constexpr int64_t kLatentPixel = 8;  // crop pixels across one latent pixel

}  // namespace

at::Tensor face_mask(const at::Tensor& picture, int64_t resolution) {
  const auto grey = picture.dim() == 3 ? picture.select(2, 0) : picture;
  return resize_lanczos4(grey, resolution, resolution).to(at::kFloat) / 255;
}

at::Tensor latent_mask(const at::Tensor& mask) {
  TORCH_CHECK(
      mask.dim() == 2 && mask.size(0) % kLatentPixel == 0 && mask.size(1) % kLatentPixel == 0,
      "latent_mask: the mask is [R, R] with a multiple of ", kLatentPixel, " for R");
  return mask.slice(0, 0, {}, kLatentPixel).slice(1, 0, {}, kLatentPixel).contiguous();
}

at::Tensor pixel_values(const at::Tensor& bytes) {
  return (bytes.to(at::kFloat) / 255 - 0.5) / 0.5;
}

at::Tensor pixel_bytes(const at::Tensor& values) {
  return ((values / 2 + 0.5).clamp(0, 1) * 255).to(at::kByte);
}

at::Tensor combine(const at::Tensor& decoded, const at::Tensor& crop, const at::Tensor& mask) {
  return decoded * (1 - mask) + crop * mask;
}

}  // namespace latentsync::kernels
