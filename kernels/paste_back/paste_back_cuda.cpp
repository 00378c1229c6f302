#include "kernels/paste_back/paste_back_cuda.h"

#include "kernels/image/tensors.h"
#include "kernels/paste_back/paste_back_on_cuda.h"

#include <algorithm>

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace latentsync::kernels {

void paste_back_on_cuda(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                        const std::array<PasteTarget, 3>& targets, const ColorTransform& color) {
  const c10::cuda::CUDAGuard guard(face.device());
  const auto [scale, offset] = to_unit(range);
  for (size_t c = 0; c < targets.size(); ++c) {
    const auto& [component, map, region, footprint] = targets[c];
    CudaPasteBack problem{.component = component,
                          .samples_to_crop = map,
                          .footprint_x = footprint.x,
                          .footprint_y = footprint.y,
                          .left = region.columns.begin,
                          .top = region.rows.begin,
                          .columns = region.columns.end - region.columns.begin,
                          .rows = region.rows.end - region.rows.begin,
                          .face = face.const_data_ptr<float>(),
                          .mask = mask.const_data_ptr<float>(),
                          .crop_width = static_cast<int>(face.size(2)),
                          .crop_height = static_cast<int>(face.size(1)),
                          .scale = scale,
                          .offset = offset,
                          .most = color.most};
    if (problem.columns <= 0 || problem.rows <= 0) continue;
    std::copy_n(color.from_rgb[c], 4, problem.from_rgb);
    C10_CUDA_CHECK(launch_paste_back(problem, c10::cuda::getCurrentCUDAStream()));
  }
}

}  // namespace latentsync::kernels
