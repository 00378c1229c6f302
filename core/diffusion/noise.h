#pragma once

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

/// Seeded noise. It always comes from a CPU generator, so that every device starts from the same
/// latents.
namespace latentsync::diffusion {

/// PyTorch's CPU generator: torch.Generator("cpu").manual_seed(seed).
at::Generator make_generator(uint64_t seed);

/// The next standard normal draw of GENERATOR for latents: [1, channels, 1, height, width] float32
/// on the CPU. One such draw serves all frames and windows of a clip.
at::Tensor initial_noise(const at::Generator& generator, int64_t channels, int64_t height,
                         int64_t width);

}  // namespace latentsync::diffusion
