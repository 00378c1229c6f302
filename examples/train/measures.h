#pragma once

#include "core/face/track.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// What an edited clip is judged by. Frames are uint8 [T, H, W, 3] in system memory.
namespace latentsync::train {

/// The mesh in each frame, followed from frame to frame; where none is found, the last one.
/// Errors: kInvalidArgument for frames without any face, which the message calls NAME.
std::vector<face::FaceLandmarks> meshes_of(const at::Tensor& frames, const std::string& name,
                                           const face::FaceTracker& tracker);

/// Inner-lip distance over the face's height, float32 [T], smoothed over three frames.
at::Tensor openings(const std::vector<face::FaceLandmarks>& meshes);

/// Mean length of the second difference in time of 40 lip points, over the face's height.
double lip_jitter(const std::vector<face::FaceLandmarks>& meshes);

/// Crops aligned as the engine aligns them, on MESHES (those of the original frames for both, so
/// that the same pixels are compared): float32 [T, 3, edge, edge] in [0, 1].
at::Tensor aligned_crops(const at::Tensor& frames, const std::vector<face::FaceLandmarks>& meshes,
                         int64_t edge);

/// Lips' box in the crops, in pixels, widened by a quarter: int64 [T, 4] left, top, right, bottom.
at::Tensor lip_boxes(const std::vector<face::FaceLandmarks>& meshes, int64_t edge);

/// Decibels over the places where MASK [edge, edge] is below one half (the generated part).
double psnr_inside(const at::Tensor& a, const at::Tensor& b, const at::Tensor& mask);

/// Structural similarity of luma (Wang et al. 2004; Gaussian window, deviation 1.5), there.
double ssim_inside(const at::Tensor& a, const at::Tensor& b, const at::Tensor& mask);

/// Mean over the frames of the variance of luma's Laplacian in a box a frame.
double sharpness(const at::Tensor& crops, const at::Tensor& boxes);

/// Mean change in time of (edited - original) within two pixels of the mask's border, in parts of
/// 255: a border that flickers.
double border_flicker(const at::Tensor& edited, const at::Tensor& original, const at::Tensor& mask);

}  // namespace latentsync::train
