#pragma once

namespace latentsync::memory {

/// Registers with LibTorch, for the meta device, the operators of the networks that it has no meta
/// kernel for in C++. To be called once.
void register_meta_kernels();

}  // namespace latentsync::memory
