#include "kernels/cuda/element.cuh"
#include "kernels/temporal_attention/temporal_attention_cuda.h"

namespace latentsync::kernels {
namespace {

constexpr int kWarp = 32;
constexpr int kMostWarps = 4;
// What every device since compute capability 8.0 gives one block after the opt-in.
constexpr int64_t kMostSharedBytes = 99 << 10;

struct Shape {
  int64_t problems;  // entries * tokens * heads
  int64_t tokens;
  int64_t heads;
  int frames;
  int head_dim;
};

// One warp computes one head of one token: [frames, head_dim] of q, k and v lie in shared memory as
// float, their rows padded to an odd length, so that lanes that read the same column of different
// rows hit different banks.
template <typename T>
__global__ void temporal_attention_kernel(const T* __restrict__ q, const T* __restrict__ k,
                                          const T* __restrict__ v, Shape shape,
                                          T* __restrict__ out) {
  extern __shared__ float shared[];
  const int lane = threadIdx.x;
  const int64_t problem = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (problem >= shape.problems) return;  // whole warps leave; only warp barriers follow

  const int frames = shape.frames;
  const int dim = shape.head_dim;
  const int row = dim | 1;
  const int weight_row = frames | 1;
  float* queries = shared + threadIdx.y * (3 * frames * row + frames * weight_row);
  float* keys = queries + frames * row;
  float* values = keys + frames * row;
  float* weights = values + frames * row;

  const int64_t head = problem % shape.heads;
  const int64_t token = problem / shape.heads % shape.tokens;
  const int64_t entry = problem / shape.heads / shape.tokens;
  const int64_t stride = shape.tokens * shape.heads * dim;  // from one frame to the next
  const int64_t base = entry * frames * stride + (token * shape.heads + head) * dim;

  for (int i = 0; i < frames; ++i) {
    for (int x = lane; x < dim; x += kWarp) {
      const int64_t at = base + i * stride + x;
      queries[i * row + x] = to_float(q[at]);
      keys[i * row + x] = to_float(k[at]);
      values[i * row + x] = to_float(v[at]);
    }
  }
  __syncwarp();

  const float scale = rsqrtf(static_cast<float>(dim));
  for (int pair = lane; pair < frames * frames; pair += kWarp) {
    const int i = pair / frames;
    const int j = pair - i * frames;
    float score = 0;
    for (int x = 0; x < dim; ++x) score += queries[i * row + x] * keys[j * row + x];
    weights[i * weight_row + j] = score * scale;
  }
  __syncwarp();

  if (lane < frames) {
    float* mine = weights + lane * weight_row;
    float largest = mine[0];
    for (int j = 1; j < frames; ++j) largest = fmaxf(largest, mine[j]);
    float sum = 0;
    for (int j = 0; j < frames; ++j) {
      mine[j] = expf(mine[j] - largest);
      sum += mine[j];
    }
    const float inverse = 1.0F / sum;
    for (int j = 0; j < frames; ++j) mine[j] *= inverse;
  }
  __syncwarp();

  for (int i = 0; i < frames; ++i) {
    for (int x = lane; x < dim; x += kWarp) {
      float result = 0;
      for (int j = 0; j < frames; ++j) result += weights[i * weight_row + j] * values[j * row + x];
      out[base + i * stride + x] = from_float<T>(result);
    }
  }
}

}  // namespace

cudaError_t launch_temporal_attention(CudaElement element, const void* q, const void* k,
                                      const void* v, int64_t entries, int64_t frames,
                                      int64_t tokens, int64_t heads, int64_t head_dim, void* out,
                                      cudaStream_t stream) {
  const int64_t warp_bytes = temporal_attention_warp_bytes(frames, head_dim);
  if (frames > kWarp || warp_bytes > kMostSharedBytes) return cudaErrorInvalidValue;
  int warps = kMostWarps;
  while (warps > 1 && warps * warp_bytes > kMostSharedBytes / 2) warps /= 2;
  const auto bytes = static_cast<int>(warps * warp_bytes);
  const Shape shape{entries * tokens * heads, tokens, heads, static_cast<int>(frames),
                    static_cast<int>(head_dim)};
  const auto blocks = static_cast<unsigned>((shape.problems + warps - 1) / warps);
  cudaError_t status = cudaSuccess;
  dispatch(element, [&](auto zero) {
    using T = decltype(zero);
    // The same limit every time: it belongs to the device, and another thread may be about to
    // launch with more than this call needs.
    status = cudaFuncSetAttribute(temporal_attention_kernel<T>,
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, kMostSharedBytes);
    if (status != cudaSuccess) return;
    temporal_attention_kernel<T><<<blocks, dim3(kWarp, warps), bytes, stream>>>(
        static_cast<const T*>(q), static_cast<const T*>(k), static_cast<const T*>(v), shape,
        static_cast<T*>(out));
  });
  return status != cudaSuccess ? status : cudaGetLastError();
}

}  // namespace latentsync::kernels
