#pragma once

#include <ATen/core/Tensor.h>

namespace latentsync::kernels {

/// OpenCV's cv::resize with INTER_LANCZOS4 of 8-bit images, in its own fixed-point arithmetic:
/// eight taps a direction (never stretched: it does not antialias), weights of 11 bits, the edge
/// repeated, rounded once and saturated. image: uint8 [H, W, C] or [H, W] in system memory; returns
/// the same with the new size. Source: opencv/modules/imgproc/src/resize.cpp. Errors: c10::Error.
at::Tensor resize_lanczos4(const at::Tensor& image, int64_t height, int64_t width);

}  // namespace latentsync::kernels
