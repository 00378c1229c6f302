#include "kernels/warp_crop/warp_crop_cuda.h"

#include "kernels/image/averages.h"
#include "kernels/image/tensors.h"
#include "kernels/warp_crop/warp_crop_on_cuda.h"

#include <algorithm>

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace latentsync::kernels {

namespace {

// Without what depends on the map.
CudaWarpCrop problem_of(const Components& frame, ValueRange range, const at::Tensor& crop,
                        const WarpOptions& options) {
  const auto [scale, offset] = from_unit(range);
  CudaWarpCrop problem{.scale = scale,
                       .offset = offset,
                       .crop = crop.mutable_data_ptr<float>(),
                       .width = static_cast<int>(crop.size(2)),
                       .height = static_cast<int>(crop.size(1))};
  for (int c = 0; c < 3; ++c) {
    const auto border = border_of(options.outside, frame.color, lone_component(frame, c));
    problem.sources[c] = {
        .component = frame.of[c], .repeat = border.repeat, .fill = border.fill[0]};
    std::copy_n(frame.color.to_rgb[c], 4, problem.to_rgb[c]);
  }
  return problem;
}

void place_source(CudaSource& source, const Affine& crop_to_frame, WarpFilter filter) {
  source.map = to_samples(crop_to_frame, source.component);
  if (filter == WarpFilter::kAverages) {
    const auto blocks = blocks_of(source.map, source.component);
    source.map = to_blocks(source.map, blocks);
    source.block_across = blocks.across;
    source.block_down = blocks.down;
  } else {
    const auto footprint = footprint_of(source.map);
    source.footprint_x = footprint.x;
    source.footprint_y = footprint.y;
  }
}

}  // namespace

void warp_crop_on_cuda(const Components& frame, const Affine& crop_to_frame, ValueRange range,
                       const at::Tensor& crop, const WarpOptions& options) {
  const c10::cuda::CUDAGuard guard(crop.device());
  auto problem = problem_of(frame, range, crop, options);
  for (auto& source : problem.sources) place_source(source, crop_to_frame, options.filter);
  C10_CUDA_CHECK(launch_warp_crop(problem, c10::cuda::getCurrentCUDAStream()));
}

void warp_square_on_cuda(const Components& frame, const at::Tensor& square, int frame_width,
                         int frame_height, ValueRange range, const at::Tensor& crop,
                         const WarpOptions& options) {
  const c10::cuda::CUDAGuard guard(crop.device());
  C10_CUDA_CHECK(launch_warp_square(problem_of(frame, range, crop, options),
                                    square.const_data_ptr<double>(), frame_width, frame_height,
                                    c10::cuda::getCurrentCUDAStream()));
}

}  // namespace latentsync::kernels
