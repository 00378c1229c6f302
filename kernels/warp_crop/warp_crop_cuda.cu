#include "kernels/image/sampling.cuh"
#include "kernels/warp_crop/warp_crop_cuda.h"

namespace latentsync::kernels {
namespace {

__device__ float filtered(const CudaSource& source, double x, double y) {
  const Component& component = source.component;
  return resample(
      DeviceTaps(x, source.footprint_x), DeviceTaps(y, source.footprint_y), [&](int i, int j) {
        const bool inside = i >= 0 && j >= 0 && i < component.width && j < component.height;
        if (!inside && !source.repeat) return source.fill;
        return read_sample(component, nearest(i, component.width), nearest(j, component.height));
      });
}

// The average of a block of samples; the last ones of a row or column have what is left.
__device__ float block_average(const CudaSource& source, int i, int j) {
  const Component& component = source.component;
  const int left = i * source.block_across;
  const int top = j * source.block_down;
  const int right = min(left + source.block_across, component.width);
  const int bottom = min(top + source.block_down, component.height);
  float total = 0;
  for (int y = top; y < bottom; ++y) {
    float row = 0;
    for (int x = left; x < right; ++x) row += read_sample(component, x, y);
    total += row;
  }
  return total / (static_cast<float>(right - left) * static_cast<float>(bottom - top));
}

__device__ float averaged(const CudaSource& source, double x, double y) {
  const Component& component = source.component;
  const int columns = (component.width + source.block_across - 1) / source.block_across;
  const int rows = (component.height + source.block_down - 1) / source.block_down;
  return interpolate(x, y, [&](int i, int j) {
    const bool inside = i >= 0 && j >= 0 && i < columns && j < rows;
    if (!inside && !source.repeat) return source.fill;
    return block_average(source, nearest(i, columns), nearest(j, rows));
  });
}

__device__ float sample_source(const CudaSource& source, int u, int v) {
  const Affine& map = source.map;
  const double x = map.xx * u + map.xy * v + map.x0;
  const double y = map.yx * u + map.yy * v + map.y0;
  return source.block_across > 0 ? averaged(source, x, y) : filtered(source, x, y);
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
