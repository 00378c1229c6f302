#include "kernels/image/sampling.cuh"
#include "kernels/paste_back/paste_back_cuda.h"

namespace latentsync::kernels {
namespace {

// Linear interpolation of the mask at a point within a pixel of its pixel centres; zero outside.
__device__ float weight_at(const CudaPasteBack& problem, double x, double y) {
  const auto value = [&](int i, int j) {
    const bool inside = i >= 0 && j >= 0 && i < problem.crop_width && j < problem.crop_height;
    return inside ? limited(problem.mask[static_cast<int64_t>(j) * problem.crop_width + i], 1.0F)
                  : 0.0F;
  };
  return interpolate(x, y, value);
}

// The face's code value at a point of the crop, the crop's edge repeated outside.
__device__ float face_at(const CudaPasteBack& problem, double x, double y) {
  const int64_t plane = static_cast<int64_t>(problem.crop_width) * problem.crop_height;
  const DeviceTaps across(x, problem.footprint_x);
  const DeviceTaps down(y, problem.footprint_y);
  return resample(across, down, [&](int i, int j) {
    const float* at = problem.face +
                      static_cast<int64_t>(nearest(j, problem.crop_height)) * problem.crop_width +
                      nearest(i, problem.crop_width);
    float code = problem.from_rgb[3];
    for (int c = 0; c < 3; ++c) {
      code += problem.from_rgb[c] * limited(at[c * plane] * problem.scale + problem.offset, 1.0F);
    }
    return code;
  });
}

// One thread a sample of the frame.
__global__ void paste_back_kernel(const CudaPasteBack problem) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t row = static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y;
  if (column >= problem.columns || row >= problem.rows) return;
  const int64_t i = problem.left + column;
  const int64_t j = problem.top + row;
  const Affine& map = problem.samples_to_crop;
  const auto site_x = static_cast<double>(i);
  const auto site_y = static_cast<double>(j);
  const double x = map.xx * site_x + map.xy * site_y + map.x0;
  const double y = map.yx * site_x + map.yy * site_y + map.y0;
  if (!(x > -1 && y > -1 && x < problem.crop_width && y < problem.crop_height)) return;
  const float weight = weight_at(problem, x, y);
  if (!(weight > 0)) return;
  const Component& component = problem.component;
  const float old = read_sample(component, i, j);
  const float blended = old + weight * (face_at(problem, x, y) - old) + 0.5F;
  write_code(component, i, j, static_cast<int>(limited(blended, problem.most)));
}

}  // namespace

cudaError_t launch_paste_back(const CudaPasteBack& problem, cudaStream_t stream) {
  const dim3 threads(32, 8);
  const dim3 blocks(static_cast<unsigned>((problem.columns + threads.x - 1) / threads.x),
                    static_cast<unsigned>((problem.rows + threads.y - 1) / threads.y));
  paste_back_kernel<<<blocks, threads, 0, stream>>>(problem);
  return cudaGetLastError();
}

}  // namespace latentsync::kernels
