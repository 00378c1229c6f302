#include "core/diffusion/noise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>

namespace latentsync::diffusion {

at::Generator make_generator(uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

at::Tensor initial_noise(const at::Generator& generator, int64_t channels, int64_t height,
                         int64_t width) {
  return at::randn({1, channels, 1, height, width}, generator,
                   at::TensorOptions(at::kCPU).dtype(at::kFloat));
}

}  // namespace latentsync::diffusion
