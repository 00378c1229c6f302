#pragma once

#include "kernels/image/affine.h"

#include <cstdint>

#include <ATen/core/Tensor.h>

/// Alignment and restoring as the reference has them (latentsync/utils/affine_transform.py), for
/// whoever must have its pixels: two resamplings on the way in and two on the way out, truncation,
/// RGB only. warp_crop and paste_back are what frames go through otherwise.
///
/// Frames are uint8 [H, W, 3] (R, G, B), on any device; matrices lead from the frame to the aligned
/// face, pixel centres at whole numbers. Errors: c10::Error.
namespace latentsync::kernels {

/// The aligned face of a resolution: int(75 r) x int(100 r), r = 2.8 resolution / 256.
struct AlignedSize {
  int64_t width;
  int64_t height;
};
AlignedSize reference_aligned_size(int64_t resolution);

/// The frame warped with bilinear interpolation and truncated: uint8 [height, width, 3]. Outside
/// lies the grey 127, blended in at the border.
at::Tensor reference_align(const at::Tensor& frame, const Affine& frame_to_aligned,
                           const AlignedSize& size);

/// The mask of a restored face and the part of the frame that holds all of it.
struct ReferenceMask {
  int64_t left = 0;  ///< of the part, in the frame; its size is the tensors'
  int64_t top = 0;
  at::Tensor rectangle;  ///< float32 [h, w]: the warped rectangle after the 2 x 2 erosion
  at::Tensor soft;       ///< float32 [h, w]: eroded further and blurred; zero outside the part too
};
ReferenceMask reference_mask(const Affine& frame_to_aligned, const AlignedSize& size,
                             int64_t frame_height, int64_t frame_width, at::Device device);

/// A new frame with the face in it. face: float32 [3, R, R] in [-1, 1] (not clamped before it is
/// resampled), on the frame's device.
at::Tensor reference_restore(const at::Tensor& frame, const at::Tensor& face,
                             const Affine& frame_to_aligned, const AlignedSize& size);

/// Bicubic resizing with antialiasing of float32 [C, H, W], as torchvision's Resize does it.
at::Tensor resize_bicubic(const at::Tensor& image, int64_t height, int64_t width);

}  // namespace latentsync::kernels
