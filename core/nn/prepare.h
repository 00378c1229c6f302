#pragma once

#include "core/nn/module.h"

#include <cstdint>

namespace latentsync::nn {

/// Makes a loaded network ready for inference only: evaluation mode, no gradients, every layer's
/// weights packed (Packable). It can be neither trained nor saved afterwards. Idempotent. Layers
/// are packed one by one and their dense weights given back to the system on the way: memory rises
/// by little more than the largest layer's weights.
void prepare_for_inference(Module& module);

/// Chooses the quickest differentiable kernels for a network that lies where it will be trained
/// (Packable). To be called again when it has been moved to another device or dtype.
void prepare_for_training(Module& module);

/// Initialises a network's parameters for training: weights of rank >= 2 uniform in +-1/sqrt(fan
/// in), weights of rank 1 one, biases zero; from a CPU generator with SEED, so that every device
/// starts alike.
void initialise_parameters(Module& module, int64_t seed);

}  // namespace latentsync::nn
