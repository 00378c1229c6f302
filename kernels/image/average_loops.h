#pragma once

#include "kernels/cpu/levels.h"
#include "kernels/image/components.h"

#include <cstdint>

/// The CPU loops that average blocks of samples. Plain pointers; sums are whole numbers.
namespace latentsync::kernels {

/// sums[i] = the sum of `rows` rows, from `row` on, of the values that lie i values behind sample
/// `first`, whosoever they are, up to that of sample first + count - 1.
LATENTSYNC_CPU_DECLARE(void sum_rows(const Component& component, int64_t row, int64_t rows,
                                     int64_t first, int64_t count, uint32_t* sums))

/// out[k] = the average of the k-th block of `block` samples, the last one having fewer; `sums`
/// are of `rows` rows, and `count` samples lie `step` values apart.
LATENTSYNC_CPU_DECLARE(void average_blocks(const uint32_t* sums, int64_t step, int64_t count,
                                           int64_t block, int64_t rows, float* out))

}  // namespace latentsync::kernels
