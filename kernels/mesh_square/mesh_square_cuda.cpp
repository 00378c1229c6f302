#include "kernels/mesh_square/mesh_square_cuda.h"

#include "kernels/mesh_square/mesh_square_on_cuda.h"

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace latentsync::kernels {

at::Tensor mesh_square_on_cuda(const at::Tensor& points, const at::Tensor& square,
                               const MeshSquareOptions& options) {
  const c10::cuda::CUDAGuard guard(points.device());
  auto next = at::empty({4}, square.options());
  C10_CUDA_CHECK(launch_mesh_square(points.const_data_ptr<float>(), square.const_data_ptr<double>(),
                                    options, next.mutable_data_ptr<double>(),
                                    c10::cuda::getCurrentCUDAStream()));
  return next;
}

}  // namespace latentsync::kernels
