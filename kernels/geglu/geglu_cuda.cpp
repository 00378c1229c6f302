#include "kernels/geglu/geglu_cuda.h"

#include "kernels/cuda/tensors.h"
#include "kernels/geglu/geglu.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace latentsync::kernels {
namespace {

at::Tensor geglu_cuda(const at::Tensor& x) {
  const auto element = cuda_element(x.scalar_type());
  if (!element || x.numel() == 0) return geglu_composite(x);
  check_geglu(x);
  const c10::cuda::CUDAGuard guard(x.device());
  const auto input = x.contiguous();
  auto sizes = input.sizes().vec();
  const int64_t inner = sizes.back() / 2;
  sizes.back() = inner;
  const auto out = at::empty(sizes, input.options());
  C10_CUDA_CHECK(launch_geglu(*element, input.const_data_ptr(), out.numel() / inner, inner,
                              out.mutable_data_ptr(), c10::cuda::getCurrentCUDAStream()));
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(latentsync, CUDA, m) { m.impl("geglu", geglu_cuda); }

}  // namespace latentsync::kernels
