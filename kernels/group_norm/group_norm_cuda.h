#pragma once

#include "kernels/cuda/launch.h"

#include <cstdint>

namespace latentsync::kernels {

/// The arguments of group_norm as plain pointers; see group_norm.h.
struct CudaGroupNorm {
  CudaElement element;
  const void* x;       ///< [entries, rows, channels]
  const void* shift;   ///< [entries, channels], or null
  const void* weight;  ///< [channels]
  const void* bias;    ///< [channels]
  void* y;             ///< [entries, rows, channels]; may be x
  int64_t entries;     ///< B
  int64_t rows;        ///< F*H*W
  int64_t channels;
  int64_t groups;
  double eps;
  bool silu;
};

/// Rows that one block of the first pass sums.
int64_t group_norm_chunk_rows(const CudaGroupNorm& problem);

/// partial: scratch of entries * chunks * channels * 2 floats, chunks = ceil(rows /
/// group_norm_chunk_rows()); coefficients: scratch of entries * channels * 4 floats.
cudaError_t launch_group_norm(const CudaGroupNorm& problem, float* partial, float* coefficients,
                              cudaStream_t stream);

}  // namespace latentsync::kernels
