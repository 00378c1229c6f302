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

bool has_kernel(const at::Tensor& x, int64_t frames) {
  constexpr int64_t kMostEntries = 65535;  // of a grid's second dimension
  return cuda_element(x.scalar_type()) && x.numel() > 0 && x.size(0) / frames <= kMostEntries;
}

// Both channels-last contiguous; they may be the same.
void normalise(const at::Tensor& input, const std::optional<at::Tensor>& shift,
               const at::Tensor& weight, const at::Tensor& bias, int64_t groups, int64_t frames,
               double eps, bool silu, const at::Tensor& output) {
  const c10::cuda::CUDAGuard guard(input.device());
  const int64_t entries = input.size(0) / frames;
  const auto shifts = shift ? shift->contiguous() : at::Tensor();
  const auto scale = weight.contiguous();
  const auto offset = bias.contiguous();
  const CudaGroupNorm problem{
      .element = *cuda_element(input.scalar_type()),
      .x = input.const_data_ptr(),
      .shift = shift ? shifts.const_data_ptr() : nullptr,
      .weight = scale.const_data_ptr(),
      .bias = offset.const_data_ptr(),
      .y = output.mutable_data_ptr(),
      .entries = entries,
      .rows = frames * input.size(2) * input.size(3),
      .channels = input.size(1),
      .groups = groups,
      .eps = eps,
      .silu = silu,
  };
  const int64_t chunk_rows = group_norm_chunk_rows(problem);
  const int64_t chunks = (problem.rows + chunk_rows - 1) / chunk_rows;
  const auto floats = input.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous);
  const auto partial = at::empty({entries, chunks, 2, problem.channels}, floats);
  const auto coefficients = at::empty({entries, 4, problem.channels}, floats);
  C10_CUDA_CHECK(launch_group_norm(problem, partial.mutable_data_ptr<float>(),
                                   coefficients.mutable_data_ptr<float>(),
                                   c10::cuda::getCurrentCUDAStream()));
}

at::Tensor group_norm_cuda(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                           const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                           int64_t frames, double eps, bool silu) {
  check_group_norm(x, shift, weight, bias, groups, frames);
  if (!has_kernel(x, frames)) {
    return group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu);
  }
  const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
  auto output = at::empty_like(input, at::MemoryFormat::ChannelsLast);
  normalise(input, shift, weight, bias, groups, frames, eps, silu, output);
  return output;
}

at::Tensor& group_norm_cuda_(at::Tensor& x, const std::optional<at::Tensor>& shift,
                             const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                             int64_t frames, double eps, bool silu) {
  check_group_norm_(x, shift, weight, bias, groups, frames);
  if (!has_kernel(x, frames)) {
    return x.copy_(group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu));
  }
  normalise(x, shift, weight, bias, groups, frames, eps, silu, x);
  return x;
}

}  // namespace

TORCH_LIBRARY_IMPL(latentsync, CUDA, m) {
  m.impl("group_norm", group_norm_cuda);
  m.impl("group_norm_", group_norm_cuda_);
}

}  // namespace latentsync::kernels
