#include "kernels/warp_crop/warp_crop_cuda.h"

#include "kernels/image/tensors.h"
#include "kernels/warp_crop/warp_crop_on_cuda.h"

#include <algorithm>

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace latentsync::kernels {

void warp_crop_on_cuda(const Components& frame, const Affine& crop_to_frame, ValueRange range,
                       const at::Tensor& crop) {
  const c10::cuda::CUDAGuard guard(crop.device());
  const auto [scale, offset] = from_unit(range);
  CudaWarpCrop problem{.scale = scale,
                       .offset = offset,
                       .crop = crop.mutable_data_ptr<float>(),
                       .width = static_cast<int>(crop.size(2)),
                       .height = static_cast<int>(crop.size(1))};
  for (int c = 0; c < 3; ++c) {
    const auto map = to_samples(crop_to_frame, frame.of[c]);
    const auto footprint = footprint_of(map);
    problem.sources[c] = {.component = frame.of[c],
                          .crop_to_samples = map,
                          .footprint_x = footprint.x,
                          .footprint_y = footprint.y,
                          .fill = fill_code(frame.color, c, kFillGrey)};
    std::copy_n(frame.color.to_rgb[c], 4, problem.to_rgb[c]);
  }
  C10_CUDA_CHECK(launch_warp_crop(problem, c10::cuda::getCurrentCUDAStream()));
}

}  // namespace latentsync::kernels
