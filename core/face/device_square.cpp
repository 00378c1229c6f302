#include "core/face/device_square.h"

#include "core/device/transfer.h"

#include <ATen/ops/tensor.h>

namespace latentsync::face {

kernels::Square kernel_square(const RotatedSquare& square) {
  return {square.center.x, square.center.y, square.size, square.rotation};
}

RotatedSquare square_in(const double* values) {
  return {{values[0], values[1]}, values[2], values[3]};
}

at::Tensor square_on(c10::Device device, const RotatedSquare& square) {
  return device::to_device(
      at::tensor({square.center.x, square.center.y, square.size, square.rotation}, at::kDouble),
      device);
}

bool is_usable(const RotatedSquare& square, int64_t width, int64_t height) {
  return kernels::is_usable(kernel_square(square), static_cast<double>(width),
                            static_cast<double>(height));
}

}  // namespace latentsync::face
