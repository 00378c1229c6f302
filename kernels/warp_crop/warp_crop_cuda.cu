#include "kernels/image/sampling.cuh"
#include "kernels/warp_crop/warp_crop_cuda.h"

namespace latentsync::kernels {
namespace {

__device__ float sample_source(const CudaSource& source, int u, int v) {
  const Affine& map = source.crop_to_samples;
  const DeviceTaps x(map.xx * u + map.xy * v + map.x0, source.footprint_x);
  const DeviceTaps y(map.yx * u + map.yy * v + map.y0, source.footprint_y);
  const Component& component = source.component;
  return resample(x, y, [&](int i, int j) {
    const bool inside = i >= 0 && j >= 0 && i < component.width && j < component.height;
    return inside ? read_sample(component, i, j) : source.fill;
  });
}

// One thread a pixel of the crop.
__global__ void warp_crop_kernel(const CudaWarpCrop problem) {
  const int u = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int v = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (u >= problem.width || v >= problem.height) return;
  float values[3];
  for (int c = 0; c < 3; ++c) values[c] = sample_source(problem.sources[c], u, v);
  for (int c = 0; c < 3; ++c) {
    const float* row = problem.to_rgb[c];
    const float rgb = row[0] * values[0] + row[1] * values[1] + row[2] * values[2] + row[3];
    const int64_t at = (static_cast<int64_t>(c) * problem.height + v) * problem.width + u;
    problem.crop[at] = limited(rgb, 1.0F) * problem.scale + problem.offset;
  }
}

}  // namespace

cudaError_t launch_warp_crop(const CudaWarpCrop& problem, cudaStream_t stream) {
  const dim3 threads(32, 8);
  const dim3 blocks((problem.width + threads.x - 1) / threads.x,
                    (problem.height + threads.y - 1) / threads.y);
  warp_crop_kernel<<<blocks, threads, 0, stream>>>(problem);
  return cudaGetLastError();
}

}  // namespace latentsync::kernels
