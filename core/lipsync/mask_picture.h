#pragma once

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// The picture of the region that the model was trained to generate, which ships with it:
/// uint8 [256, 256], 0 where the crop is generated and 255 where it is kept (source: mask.png of
/// bytedance/LatentSync, Apache-2.0).
at::Tensor mask_picture();

}  // namespace latentsync::lipsync
