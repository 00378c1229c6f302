#pragma once

#include "kernels/cuda/launch.h"

#include <cstdint>

namespace latentsync::kernels {

/// q, k, v, out [entries, frames, tokens, heads, head_dim], contiguous; out does not overlap the
/// others. frames <= 32. Returns cudaErrorInvalidValue where a warp's data do not fit the device's
/// shared memory.
cudaError_t launch_temporal_attention(CudaElement element, const void* q, const void* k,
                                      const void* v, int64_t entries, int64_t frames,
                                      int64_t tokens, int64_t heads, int64_t head_dim, void* out,
                                      cudaStream_t stream);

/// Bytes of shared memory that one warp needs: its q, k and v in float, padded, and the weights.
inline int64_t temporal_attention_warp_bytes(int64_t frames, int64_t head_dim) {
  return (3 * frames * (head_dim | 1) + frames * (frames | 1)) * 4;
}

}  // namespace latentsync::kernels
