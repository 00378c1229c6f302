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

CudaSource source_of(const Components& frame, int c, const Affine& crop_to_frame,
                     const WarpOptions& options) {
  const auto& component = frame.of[c];
  const auto border = border_of(options.outside, frame.color, lone_component(frame, c));
  CudaSource source{.component = component,
                    .map = to_samples(crop_to_frame, component),
                    .repeat = border.repeat,
                    .fill = border.fill[0]};
  if (options.filter == WarpFilter::kAverages) {
    const auto blocks = blocks_of(source.map, component);
    source.map = to_blocks(source.map, blocks);
    source.block_across = blocks.across;
    source.block_down = blocks.down;
  } else {
    const auto footprint = footprint_of(source.map);
    source.footprint_x = footprint.x;
    source.footprint_y = footprint.y;
  }
  return source;
}

}  // namespace

void warp_crop_on_cuda(const Components& frame, const Affine& crop_to_frame, ValueRange range,
                       const at::Tensor& crop, const WarpOptions& options) {
  const c10::cuda::CUDAGuard guard(crop.device());
  const auto [scale, offset] = from_unit(range);
  CudaWarpCrop problem{.scale = scale,
                       .offset = offset,
                       .crop = crop.mutable_data_ptr<float>(),
                       .width = static_cast<int>(crop.size(2)),
                       .height = static_cast<int>(crop.size(1))};
  for (int c = 0; c < 3; ++c) {
    problem.sources[c] = source_of(frame, c, crop_to_frame, options);
    std::copy_n(frame.color.to_rgb[c], 4, problem.to_rgb[c]);
  }
  C10_CUDA_CHECK(launch_warp_crop(problem, c10::cuda::getCurrentCUDAStream()));
}

}  // namespace latentsync::kernels
