#include "core/device/weight_layout.h"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#ifdef LATENTSYNC_HAVE_CUDA
#include <cuda_runtime_api.h>

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#endif

namespace latentsync::device {
namespace {

constexpr int64_t kAlignment = 512;  // bytes, as LibTorch's allocator of CUDA memory has it

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::vector<int64_t> dense_strides(const at::Tensor& weight) {
  return (weight.is_non_overlapping_and_dense() ? weight : weight.contiguous()).strides().vec();
}

}  // namespace

std::vector<at::Tensor> weights_of(const nn::Module& module) {
  std::vector<at::Tensor> weights;
  for (auto& group : {module.parameters(), module.buffers()}) {
    for (const auto& weight : group) {
      if (weight.defined() && weight.numel() > 0) weights.push_back(weight);
    }
  }
  return weights;
}

at::Tensor device_memory(int64_t bytes, c10::Device device) {
  const c10::InferenceMode no_inference(false);  // weights outlive the mode
  return at::empty({bytes}, at::TensorOptions(at::kByte).device(device));
}

at::Tensor host_memory(int64_t bytes, c10::Device device) {
  const c10::InferenceMode no_inference(false);
#ifdef LATENTSYNC_HAVE_CUDA
  if (device.is_cuda() && bytes > 0) {
    // LibTorch's own allocator of page-locked memory would round up to a power of two.
    const c10::cuda::CUDAGuard guard(device);
    void* memory = nullptr;
    C10_CUDA_CHECK(cudaHostAlloc(&memory, static_cast<size_t>(bytes), cudaHostAllocPortable));
    const auto free = [](void* freed) { C10_CUDA_CHECK_WARN(cudaFreeHost(freed)); };
    return at::from_blob(memory, {bytes}, free, at::TensorOptions(at::kByte));
  }
#endif
  return device_memory(bytes, c10::kCPU);
}

WeightLayout::WeightLayout(std::vector<at::Tensor> weights) {
  for (auto& weight : weights) {
    Place place{.offset = bytes_, .strides = dense_strides(weight)};
    bytes_ += aligned(static_cast<int64_t>(weight.nbytes()));
    place.weight = std::move(weight);
    places_.push_back(std::move(place));
  }
}

at::Tensor WeightLayout::part(const at::Tensor& memory, const Place& place) {
  const auto& weight = place.weight;
  auto part = at::empty({0}, weight.options().device(memory.device()).requires_grad(false));
  return part.set_(memory.storage(), place.offset / static_cast<int64_t>(weight.itemsize()),
                   weight.sizes(), place.strides);
}

void WeightLayout::copy_to(const at::Tensor& memory) const {
  const c10::InferenceMode no_inference(false);
  for (const auto& place : places_) part(memory, place).copy_(place.weight.detach());
}

void WeightLayout::place_in(const at::Tensor& memory) {
  const c10::InferenceMode no_inference(false);
  for (auto& place : places_) place.weight.set_data(part(memory, place));
}

}  // namespace latentsync::device
