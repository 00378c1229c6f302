#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

/// What the reference does with the fixed mask of the region to generate
/// (latentsync/utils/image_processor.py). A mask is 1 where the crop is kept and 0 where it is
/// generated; at resolutions other than the picture's own its edge is grey. Errors: c10::Error.
namespace latentsync::kernels {

/// The mask of a resolution, float32 [R, R], from its picture, uint8 [H, W] or [H, W, 3] in system
/// memory (one of the equal channels is taken).
at::Tensor face_mask(const at::Tensor& picture, int64_t resolution);

/// Its value for each latent pixel, the nearest to the upper left: [R / 8, R / 8] of [R, R].
at::Tensor latent_mask(const at::Tensor& mask);

/// Crop values in [-1, 1] from bytes, and back with clamping and truncation: any shape.
at::Tensor pixel_values(const at::Tensor& bytes);
at::Tensor pixel_bytes(const at::Tensor& values);

/// The decoded crop where the mask is 0, the frame's own crop where it is 1. [..., R, R] each.
at::Tensor combine(const at::Tensor& decoded, const at::Tensor& crop, const at::Tensor& mask);

}  // namespace latentsync::kernels
