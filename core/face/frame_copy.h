#pragma once

#include "kernels/image/image_view.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace latentsync::face {

/// A frame in system memory, copied to a device; the host does not wait for the copy.
struct FrameCopy {
  at::Tensor memory;
  kernels::ImageView view;  ///< of the planes in it
};

/// IMAGE is whole (kernels::check_image()); its memory may be changed when this returns. Errors:
/// c10::Error where memory runs out.
FrameCopy copy_frame(const kernels::ImageView& image, c10::Device device);

}  // namespace latentsync::face
