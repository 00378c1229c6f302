#include "kernels/image/tensors.h"

#include <c10/util/Exception.h>

namespace latentsync::kernels {

Linear from_unit(ValueRange range) {
  return range == ValueRange::kSigned ? Linear{2, -1} : Linear{1, 0};
}

Linear to_unit(ValueRange range) {
  return range == ValueRange::kSigned ? Linear{0.5F, 0.5F} : Linear{1, 0};
}

Border border_of(Outside outside, const ColorTransform& color, const ComponentGroup& group) {
  const float grey = outside == Outside::kGrey ? 127.0F / 255.0F : 0.0F;
  Border border{.repeat = outside == Outside::kEdge, .fill = {}};
  for (int k = 0; k < group.count; ++k) {
    const auto& row = color.from_rgb[group.first + k];
    border.fill[group.lane[k]] = (row[0] + row[1] + row[2]) * grey + row[3];
  }
  return border;
}

void check_tensor(const at::Tensor& tensor, const char* name, const ImageView& image) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat && tensor.is_contiguous() && tensor.numel() > 0,
              name, " is a contiguous float32 tensor with something in it");
  for (const auto size : tensor.sizes()) {
    TORCH_CHECK(size <= kMostImageEdge, name, " is larger than ", kMostImageEdge);
  }
  const bool system = image.device == kSystemMemory;
  TORCH_CHECK(system ? tensor.is_cpu() : tensor.is_cuda() && tensor.get_device() == image.device,
              name, " is on the device of the frame");
}

}  // namespace latentsync::kernels
