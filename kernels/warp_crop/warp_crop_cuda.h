#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/image/affine.h"
#include "kernels/image/components.h"

namespace latentsync::kernels {

/// One component of the frame as warp_crop reads it.
struct CudaSource {
  Component component;
  Affine map;                       ///< from the crop to samples, or to blocks of them
  double footprint_x, footprint_y;  ///< of the cubic
  int block_across, block_down;     ///< samples that are averaged; 0: the cubic, of samples
  bool repeat;                      ///< the nearest sample outside the component, else `fill`
  float fill;
};

/// The arguments of warp_crop as plain pointers; see warp_crop.h.
struct CudaWarpCrop {
  CudaSource sources[3];
  float to_rgb[3][4];
  float scale, offset;  ///< from [0, 1] to the range of values
  float* crop;          ///< [3, height, width]
  int width, height;
};

cudaError_t launch_warp_crop(const CudaWarpCrop& problem, cudaStream_t stream);

/// The same of averages, where the device has the square that the crop shows: the four numbers of a
/// Square, of a frame with so many luma samples. The sources' maps and blocks are not read.
cudaError_t launch_warp_square(const CudaWarpCrop& problem, const double* square, int frame_width,
                               int frame_height, cudaStream_t stream);

}  // namespace latentsync::kernels
