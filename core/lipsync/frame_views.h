#pragma once

#include "kernels/image/image_view.h"

#include <c10/core/Device.h>

namespace latentsync::lipsync {

/// Where a frame's memory lies.
inline c10::Device device_of(const kernels::ImageView& view) {
  return view.device == kernels::kSystemMemory
             ? c10::Device(c10::kCPU)
             : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(view.device));
}

/// The rows of FIELD of a frame.
inline kernels::ImageView field_view(kernels::ImageView view, kernels::Field field) {
  view.field = field;
  return view;
}

}  // namespace latentsync::lipsync
