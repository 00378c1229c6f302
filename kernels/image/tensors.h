#pragma once

#include "kernels/image/image_view.h"
#include "kernels/image/sampling.h"

#include <ATen/core/Tensor.h>

/// What warp_crop and paste_back share about their tensors and values.
namespace latentsync::kernels {

constexpr const char* kNoCuda =
    "image: this build has no CUDA kernels; give frames in system memory";

struct Linear {
  float scale, offset;
};

/// From [0, 1] to a range of values, and back.
Linear from_unit(ValueRange range);
Linear to_unit(ValueRange range);

/// The border of a group's tile for what lies outside the frame.
Border border_of(Outside outside, const ColorTransform& color, const ComponentGroup& group);

/// Throws c10::Error, its message beginning with `name`, unless the tensor is a contiguous,
/// non-empty float32 tensor on the image's device, at most kMostImageEdge in size.
void check_tensor(const at::Tensor& tensor, const char* name, const ImageView& image);

}  // namespace latentsync::kernels
