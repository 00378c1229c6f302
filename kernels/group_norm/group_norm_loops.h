#pragma once

#include "kernels/cpu/element.h"
#include "kernels/cpu/levels.h"

#include <cstdint>

/// The CPU loops of group_norm over rows of C channels (one row a pixel). Plain pointers; see
/// group_norm.h.
namespace latentsync::kernels {

/// Adds to sum[c] and sum_of_squares[c] the rows' (x + shift - pivot) and its square, for `rows`
/// rows of C channels. pivot [C] is any value near the channel's mean: it keeps the squares small.
/// scratch [2 * C] floats.
LATENTSYNC_CPU_DECLARE(void group_norm_sums(Element element, const void* x, const float* shift,
                                            const float* pivot, int64_t rows, int64_t channels,
                                            float* scratch, double* sum, double* sum_of_squares))

/// y = act(((x + shift - mean_high) - mean_low) * scale + offset); shift, mean_*, scale, offset
/// [C].
LATENTSYNC_CPU_DECLARE(void group_norm_apply(Element element, const void* x, const float* shift,
                                             const float* mean_high, const float* mean_low,
                                             const float* scale, const float* offset, bool silu,
                                             int64_t rows, int64_t channels, void* y))

}  // namespace latentsync::kernels
