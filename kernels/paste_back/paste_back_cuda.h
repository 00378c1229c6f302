#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/image/affine.h"
#include "kernels/image/components.h"

#include <cstdint>

namespace latentsync::kernels {

/// The arguments of paste_back for one component as plain pointers; see paste_back.h.
struct CudaPasteBack {
  Component component;
  Affine samples_to_crop;
  double footprint_x, footprint_y;
  int64_t left, top;      ///< of the samples that the crop can reach
  int64_t columns, rows;  ///< at least one
  const float* face;      ///< [3, crop_height, crop_width]
  const float* mask;      ///< [crop_height, crop_width]
  int crop_width, crop_height;
  float from_rgb[4];
  float scale, offset;  ///< from the range of values to [0, 1]
  float most;
};

cudaError_t launch_paste_back(const CudaPasteBack& problem, cudaStream_t stream);

}  // namespace latentsync::kernels
