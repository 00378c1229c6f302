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
/// [C]. y may be x; else they do not overlap.
LATENTSYNC_CPU_DECLARE(void group_norm_apply(Element element, const void* x, const float* shift,
                                             const float* mean_high, const float* mean_low,
                                             const float* scale, const float* offset, bool silu,
                                             int64_t rows, int64_t channels, void* y))

// The gradient. Of a row's values: centred = ((x + shift) - mean_high) - mean_low, n = centred *
// scale + offset, and gradient = dy * act'(n), that of n.

/// Adds to gradients[c], projected[c] and offsets[c] the rows' gradient, gradient * centred and
/// centred. scratch [3 * C] floats.
LATENTSYNC_CPU_DECLARE(void group_norm_gradient_sums(
    const float* x, const float* dy, const float* shift, const float* mean_high,
    const float* mean_low, const float* scale, const float* offset, bool silu, int64_t rows,
    int64_t channels, float* scratch, double* gradients, double* projected, double* offsets))

/// dx = gradient * scale - centred * slope - level; slope, level [C].
LATENTSYNC_CPU_DECLARE(void group_norm_gradient(const float* x, const float* dy, const float* shift,
                                                const float* mean_high, const float* mean_low,
                                                const float* scale, const float* offset,
                                                const float* slope, const float* level, bool silu,
                                                int64_t rows, int64_t channels, float* dx))

}  // namespace latentsync::kernels
