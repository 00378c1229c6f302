#pragma once

/// Which GPUs the kernels of this build run on.
namespace latentsync::kernels {

/// Whether this build has code for the CUDA device of this number, ready or as PTX. Makes the
/// device's context, and no other one's. True also where the device cannot be asked: its first use
/// will say why.
bool has_code_for(int device);

}  // namespace latentsync::kernels
