#pragma once

#include "core/lipsync/networks.h"
#include "kernels/image/image_view.h"

#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// A window's frames where its networks reach them, for all that reads pixels: frames in system
/// memory are copied to a device once, those on the device, and all for a processor, are read where
/// they lie. To be made and used by tasks of the device.
class FramesInReach {
 public:
  /// As they are.
  explicit FramesInReach(std::vector<kernels::ImageView> views) : views_(std::move(views)) {}
  /// Errors: c10::Error for a view that is not whole, and where memory runs out.
  FramesInReach(std::span<const kernels::ImageView> frames, const Networks& networks);

  std::span<const kernels::ImageView> views() const { return views_; }

 private:
  std::vector<kernels::ImageView> views_;
  std::vector<at::Tensor> copies_;
};

}  // namespace latentsync::lipsync
