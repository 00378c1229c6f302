#include "kernels/group_norm/group_norm_cuda.h"

#include "kernels/cuda/tensors.h"
#include "kernels/group_norm/group_norm.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace latentsync::kernels {
namespace {

at::Tensor group_norm_cuda(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                           const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                           int64_t frames, double eps, bool silu) {
  check_group_norm(x, shift, weight, bias, groups, frames);
  const auto element = cuda_element(x.scalar_type());
  const int64_t entries = x.size(0) / frames;
  constexpr int64_t kMostEntries = 65535;  // of a grid's second dimension
  if (!element || x.numel() == 0 || entries > kMostEntries) {
    return group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu);
  }
  const c10::cuda::CUDAGuard guard(x.device());
  const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto out = at::empty_like(input, at::MemoryFormat::ChannelsLast);
  const auto shifts = shift ? shift->contiguous() : at::Tensor();
  const auto scale = weight.contiguous();
  const auto offset = bias.contiguous();
  const CudaGroupNorm problem{
      .element = *element,
      .x = input.const_data_ptr(),
      .shift = shift ? shifts.const_data_ptr() : nullptr,
      .weight = scale.const_data_ptr(),
      .bias = offset.const_data_ptr(),
      .y = out.mutable_data_ptr(),
      .entries = entries,
      .rows = frames * x.size(2) * x.size(3),
      .channels = x.size(1),
      .groups = groups,
      .eps = eps,
      .silu = silu,
  };
  const int64_t chunk_rows = group_norm_chunk_rows(problem);
  const int64_t chunks = (problem.rows + chunk_rows - 1) / chunk_rows;
  const auto floats = x.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous);
  const auto partial = at::empty({entries, chunks, 2, problem.channels}, floats);
  const auto coefficients = at::empty({entries, 4, problem.channels}, floats);
  C10_CUDA_CHECK(launch_group_norm(problem, partial.mutable_data_ptr<float>(),
                                   coefficients.mutable_data_ptr<float>(),
                                   c10::cuda::getCurrentCUDAStream()));
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(latentsync, CUDA, m) { m.impl("group_norm", group_norm_cuda); }

}  // namespace latentsync::kernels
