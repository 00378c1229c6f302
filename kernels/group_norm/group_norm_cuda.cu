#include "kernels/cuda/element.cuh"
#include "kernels/group_norm/group_norm_cuda.h"

namespace latentsync::kernels {
namespace {

constexpr int kThreads = 256;

template <typename T>
__device__ float shift_of(const T* shift, int64_t at) {
  return shift == nullptr ? 0.0F : to_float(shift[at]);
}

// Pass 1, block (chunk, entry): each thread sums the rows of a chunk for its channels, about the
// entry's first row as the pivot, which keeps the squares small. Neighbouring threads read
// neighbouring channels.
template <typename T>
__global__ void sums_kernel(const T* __restrict__ x, const T* __restrict__ shift, int64_t rows,
                            int64_t channels, int64_t chunk_rows, float* __restrict__ partial) {
  const int64_t entry = blockIdx.y;
  const int64_t begin = blockIdx.x * chunk_rows;
  const int64_t end = begin + chunk_rows < rows ? begin + chunk_rows : rows;
  const T* __restrict__ in = x + entry * rows * channels;
  float* __restrict__ out = partial + (entry * gridDim.x + blockIdx.x) * 2 * channels;
  for (int64_t c = threadIdx.x; c < channels; c += kThreads) {
    const float add = shift_of(shift, entry * channels + c);
    const float pivot = to_float(in[c]) + add;
    float sum = 0;
    float squares = 0;
    for (int64_t row = begin; row < end; ++row) {
      const float d = to_float(in[row * channels + c]) + add - pivot;
      sum += d;
      squares += d * d;
    }
    out[c] = sum;
    out[channels + c] = squares;
  }
}

// The block's sum of one value a thread, in every thread; always in the same order.
__device__ double block_sum(double value, double* shared) {
  __syncthreads();
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  return shared[0];
}

// Pass 2, block (group, entry): mean and variance of a group from its channels' sums (Chan's
// formula), in double. coefficients [entries, 4, channels]: mean, what its float loses, scale,
// offset.
template <typename T>
__global__ void statistics_kernel(const T* __restrict__ x, const T* __restrict__ shift,
                                  const T* __restrict__ weight, const T* __restrict__ bias,
                                  int64_t rows, int64_t channels, int64_t width, int64_t chunks,
                                  double eps, const float* __restrict__ partial,
                                  float* __restrict__ coefficients) {
  __shared__ double shared[kThreads];
  const int64_t entry = blockIdx.y;
  const int64_t first = blockIdx.x * width;
  const auto count = static_cast<double>(rows);

  const auto channel_sums = [&](int64_t c, double& sum, double& squares) {
    sum = squares = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const float* at = partial + (entry * chunks + chunk) * 2 * channels + c;
      sum += at[0];
      squares += at[channels];
    }
  };
  const auto pivot = [&](int64_t c) {
    // As pass 1 has it: the sum in float.
    return static_cast<double>(to_float(x[entry * rows * channels + c]) +
                               shift_of(shift, entry * channels + c));
  };

  double total = 0;
  for (int64_t c = first + threadIdx.x; c < first + width; c += kThreads) {
    double sum = 0;
    double squares = 0;
    channel_sums(c, sum, squares);
    total += pivot(c) + sum / count;
  }
  const double mean = block_sum(total, shared) / static_cast<double>(width);
  double spread = 0;
  for (int64_t c = first + threadIdx.x; c < first + width; c += kThreads) {
    double sum = 0;
    double squares = 0;
    channel_sums(c, sum, squares);
    const double channel_mean = sum / count;
    const double distance = pivot(c) + channel_mean - mean;
    spread += squares - count * channel_mean * channel_mean + count * distance * distance;
  }
  const double variance =
      fmax(0.0, block_sum(spread, shared) / (count * static_cast<double>(width)));
  const double inverse = rsqrt(variance + eps);
  for (int64_t c = first + threadIdx.x; c < first + width; c += kThreads) {
    float* out = coefficients + entry * 4 * channels + c;
    const auto high = static_cast<float>(mean);
    out[0] = high;
    out[channels] = static_cast<float>(mean - high);
    out[2 * channels] = static_cast<float>(inverse * to_float(weight[c]));
    out[3 * channels] = to_float(bias[c]);
  }
}

// Pass 3: every element once, by the thread that writes it: y may be x.
template <typename T, bool kSilu>
__global__ void apply_kernel(const T* x, const T* __restrict__ shift,
                             const float* __restrict__ coefficients, int64_t rows, int64_t channels,
                             T* y) {
  const int64_t entry = blockIdx.y;
  const int64_t base = entry * rows * channels;
  const float* __restrict__ mine = coefficients + entry * 4 * channels;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < rows * channels;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const int64_t c = i % channels;
    const float shifted = to_float(x[base + i]) + shift_of(shift, entry * channels + c);
    const float centred = (shifted - mine[c]) - mine[channels + c];
    const float value = centred * mine[2 * channels + c] + mine[3 * channels + c];
    y[base + i] = from_float<T>(kSilu ? value / (1.0F + expf(-value)) : value);
  }
}

template <typename T>
cudaError_t launch(const CudaGroupNorm& p, float* partial, float* coefficients,
                   cudaStream_t stream) {
  const auto* x = static_cast<const T*>(p.x);
  const auto* shift = static_cast<const T*>(p.shift);
  auto* y = static_cast<T*>(p.y);
  const int64_t chunk_rows = group_norm_chunk_rows(p);
  const int64_t chunks = (p.rows + chunk_rows - 1) / chunk_rows;
  const auto entries = static_cast<unsigned>(p.entries);
  sums_kernel<T><<<dim3(static_cast<unsigned>(chunks), entries), kThreads, 0, stream>>>(
      x, shift, p.rows, p.channels, chunk_rows, partial);
  statistics_kernel<T><<<dim3(static_cast<unsigned>(p.groups), entries), kThreads, 0, stream>>>(
      x, shift, static_cast<const T*>(p.weight), static_cast<const T*>(p.bias), p.rows, p.channels,
      p.channels / p.groups, chunks, p.eps, partial, coefficients);
  constexpr int64_t kMostBlocks = 8192;
  const int64_t wanted = (p.rows * p.channels + kThreads - 1) / kThreads;
  const dim3 blocks(static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks), entries);
  if (p.silu) {
    apply_kernel<T, true>
        <<<blocks, kThreads, 0, stream>>>(x, shift, coefficients, p.rows, p.channels, y);
  } else {
    apply_kernel<T, false>
        <<<blocks, kThreads, 0, stream>>>(x, shift, coefficients, p.rows, p.channels, y);
  }
  return cudaGetLastError();
}

}  // namespace

int64_t group_norm_chunk_rows(const CudaGroupNorm& problem) {
  // Some hundreds of blocks where the picture allows it, and no fewer than 16 rows for each: a
  // block's start has its price.
  constexpr int64_t kBlocks = 512;
  const int64_t chunks = kBlocks / (problem.entries < kBlocks ? problem.entries : kBlocks);
  const int64_t rows = (problem.rows + chunks - 1) / chunks;
  return rows < 16 ? 16 : rows;
}

cudaError_t launch_group_norm(const CudaGroupNorm& problem, float* partial, float* coefficients,
                              cudaStream_t stream) {
  cudaError_t status = cudaSuccess;
  dispatch(problem.element, [&](auto zero) {
    status = launch<decltype(zero)>(problem, partial, coefficients, stream);
  });
  return status;
}

}  // namespace latentsync::kernels
