#pragma once

#include "core/face/frame_sampler.h"

#include <span>

#include <ATen/core/Tensor.h>

namespace latentsync::face {

/// Between two frames of one scene the mean absolute change of a coarse appearance, full scale 1,
/// stays below the first limit, and the correlation above the second; else it is a cut.
constexpr double kCutChange = 0.12;
constexpr double kCutLikeness = 0.7;

/// The coarse brightness of a picture [1, 3, H, W]: [1, 1, 12, 12] on the same device.
at::Tensor appearance_of(const at::Tensor& picture);
/// Of a whole frame.
at::Tensor appearance_of(const FrameSampler& frame);

/// Correlation of two appearances, -1 to 1; no number where one of them is all of one brightness.
double likeness(const at::Tensor& before, const at::Tensor& now);

/// Whether something else is seen now. Appearances of one brightness, and values that are no
/// numbers, are like nothing else.
bool is_cut(const at::Tensor& before, const at::Tensor& now);

/// is_cut() in two parts, for several frames that are read back together: what the device computes,
/// float32 [2], and what its values in host memory mean.
at::Tensor difference(const at::Tensor& before, const at::Tensor& now);
bool is_cut(std::span<const float, 2> difference);

}  // namespace latentsync::face
