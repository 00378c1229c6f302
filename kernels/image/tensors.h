#pragma once

#include "kernels/image/image_view.h"
#include "kernels/image/sampling.h"

#include <ATen/core/Tensor.h>

/// What warp_crop and paste_back share about their tensors and values.
namespace latentsync::kernels {

constexpr float kFillGrey = 127.0F / 255.0F;  ///< outside the frame, as the reference has it

constexpr const char* kNoCuda =
    "image: this build has no CUDA kernels; give frames in system memory";

struct Linear {
  float scale, offset;
};

/// From [0, 1] to a range of values, and back.
Linear from_unit(ValueRange range);
Linear to_unit(ValueRange range);

/// The code value of a grey in [0, 1] for one component.
float fill_code(const ColorTransform& color, int component, float grey);

/// Throws c10::Error, its message beginning with `name`, unless the tensor is a contiguous,
/// non-empty float32 tensor on the image's device, at most kMostImageEdge in size.
void check_tensor(const at::Tensor& tensor, const char* name, const ImageView& image);

}  // namespace latentsync::kernels
