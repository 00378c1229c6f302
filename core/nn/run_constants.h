#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

class ResnetBlock;
class SpatialTransformer;

/// Keys and values of the audio for one cross-attention, [N, S, dim] each. Undefined: there is no
/// audio, which to the network is audio of zeros.
struct KeysAndValues {
  at::Tensor keys;
  at::Tensor values;
};

/// What the evaluations of one denoising run have in common, computed once for all of its steps
/// (UNet3D::constants()). Belongs to the network that made it.
struct RunConstants {
  std::vector<int64_t> timesteps;  ///< of the training schedule, one for each step
  at::Tensor audio;                ///< [F, S, features], of the conditioned entry of the batch
  int64_t batch = 1;               ///< the most entries B that are evaluated together
  /// What each resnet adds of the time embedding: [steps, B, out].
  std::unordered_map<const ResnetBlock*, at::Tensor> time_shifts;
  /// For each transformer, of AUDIO.
  std::unordered_map<const SpatialTransformer*, KeysAndValues> audio_keys;
};

}  // namespace latentsync::nn
