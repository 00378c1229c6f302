#pragma once

#include "kernels/cpu/element.h"
#include "kernels/cpu/levels.h"

#include <cstdint>

/// The CPU loop of temporal_attention over a range of tokens of one batch entry; see
/// temporal_attention.h.
namespace latentsync::kernels {

struct TemporalAttentionShape {
  int64_t frames;
  int64_t tokens;  ///< T
  int64_t heads;
  int64_t head_dim;
};

/// q, k, v and out point at the batch entry; tokens [begin, end) are computed.
/// scratch: frames * frames + frames * head_dim floats.
LATENTSYNC_CPU_DECLARE(void temporal_attention_tokens(
    Element element, const TemporalAttentionShape& shape, const void* q, const void* k,
    const void* v, int64_t begin, int64_t end, float* scratch, void* out))

}  // namespace latentsync::kernels
