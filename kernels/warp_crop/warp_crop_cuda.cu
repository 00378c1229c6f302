#include "kernels/image/component_maps.h"
#include "kernels/image/sampling.cuh"
#include "kernels/image/square.h"
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
__device__ float block_average(const Component& component, const Blocks& blocks, int i, int j) {
  const int left = i * blocks.across;
  const int top = j * blocks.down;
  const int right = min(left + blocks.across, component.width);
  const int bottom = min(top + blocks.down, component.height);
  float total = 0;
  for (int y = top; y < bottom; ++y) {
    float row = 0;
    for (int x = left; x < right; ++x) row += read_sample(component, x, y);
    total += row;
  }
  return total / (static_cast<float>(right - left) * static_cast<float>(bottom - top));
}

__device__ float averaged(const CudaSource& source, const Blocks& blocks, double x, double y) {
  const Component& component = source.component;
  const int columns = (component.width + blocks.across - 1) / blocks.across;
  const int rows = (component.height + blocks.down - 1) / blocks.down;
  return interpolate(x, y, [&](int i, int j) {
    const bool inside = i >= 0 && j >= 0 && i < columns && j < rows;
    if (!inside && !source.repeat) return source.fill;
    return block_average(component, blocks, nearest(i, columns), nearest(j, rows));
  });
}

__device__ float sample_source(const CudaSource& source, int u, int v) {
  const Affine& map = source.map;
  const double x = map.xx * u + map.xy * v + map.x0;
  const double y = map.yx * u + map.yy * v + map.y0;
  const Blocks blocks{source.block_across, source.block_down};
  return blocks.across > 0 ? averaged(source, blocks, x, y) : filtered(source, x, y);
}

__device__ void write_pixel(const CudaWarpCrop& problem, const float (&values)[3], int u, int v) {
  for (int c = 0; c < 3; ++c) {
    const float* row = problem.to_rgb[c];
    const float rgb = row[0] * values[0] + row[1] * values[1] + row[2] * values[2] + row[3];
    const int64_t at = (static_cast<int64_t>(c) * problem.height + v) * problem.width + u;
    problem.crop[at] = limited(rgb, 1.0F) * problem.scale + problem.offset;
  }
}

// One thread a pixel of the crop.
__global__ void warp_crop_kernel(const CudaWarpCrop problem) {
  const int u = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int v = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (u >= problem.width || v >= problem.height) return;
  float values[3];
  for (int c = 0; c < 3; ++c) values[c] = sample_source(problem.sources[c], u, v);
  write_pixel(problem, values, u, v);
}

// Affine and Blocks, in shared memory.
struct PlacedSource {
  double xx, xy, x0, yx, yy, y0;
  int across, down;
};

// Where the crop's pixels lie among the averages of COMPONENT; at its first one, where the square
// is not usable.
__device__ PlacedSource place_source(const Component& component, const Square& square, int edge,
                                     int frame_width, int frame_height) {
  if (!is_usable(square, frame_width, frame_height)) return {0, 0, 0, 0, 0, 0, 1, 1};
  const auto samples = to_samples(map_of(square, edge), component);
  const auto blocks = blocks_of(samples, component);
  const auto map = to_blocks(samples, blocks);
  return {map.xx, map.xy, map.x0, map.yx, map.yy, map.y0, blocks.across, blocks.down};
}

// Likewise, of a square; its map is computed once a block of threads.
__global__ void warp_square_kernel(const CudaWarpCrop problem, const double* square,
                                   int frame_width, int frame_height) {
  __shared__ PlacedSource placed[3];
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  if (thread < 3) {
    placed[thread] = place_source(problem.sources[thread].component,
                                  {square[0], square[1], square[2], square[3]}, problem.width,
                                  frame_width, frame_height);
  }
  __syncthreads();
  const int u = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int v = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (u >= problem.width || v >= problem.height) return;
  float values[3];
  for (int c = 0; c < 3; ++c) {
    const PlacedSource& map = placed[c];
    values[c] = averaged(problem.sources[c], {map.across, map.down},
                         map.xx * u + map.xy * v + map.x0, map.yx * u + map.yy * v + map.y0);
  }
  write_pixel(problem, values, u, v);
}

constexpr dim3 kThreads(32, 8);

dim3 blocks_for(const CudaWarpCrop& problem) {
  return {(problem.width + kThreads.x - 1) / kThreads.x,
          (problem.height + kThreads.y - 1) / kThreads.y};
}

}  // namespace

cudaError_t launch_warp_crop(const CudaWarpCrop& problem, cudaStream_t stream) {
  warp_crop_kernel<<<blocks_for(problem), kThreads, 0, stream>>>(problem);
  return cudaGetLastError();
}

cudaError_t launch_warp_square(const CudaWarpCrop& problem, const double* square, int frame_width,
                               int frame_height, cudaStream_t stream) {
  warp_square_kernel<<<blocks_for(problem), kThreads, 0, stream>>>(problem, square, frame_width,
                                                                   frame_height);
  return cudaGetLastError();
}

}  // namespace latentsync::kernels
