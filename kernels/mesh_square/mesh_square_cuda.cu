#include "kernels/mesh_square/mesh_square_cuda.h"

namespace latentsync::kernels {
namespace {

constexpr int kThreads = 128;  // one block: a mesh has some hundred points

__global__ void mesh_square_kernel(const float* points, const double* square,
                                   const MeshSquareOptions options, double* next) {
  const Square viewed{square[0], square[1], square[2], square[3]};
  const int thread = static_cast<int>(threadIdx.x);
  __shared__ MeshBounds bounds[kThreads];
  const auto place = [&](int i) { return place_point(points + 3 * i, viewed, options.edge); };
  // Threads beyond the last point repeat it.
  auto own = bounds_of(place(thread < options.points ? thread : options.points - 1));
  for (int i = thread + kThreads; i < options.points; i += kThreads) {
    own = merged(own, bounds_of(place(i)));
  }
  bounds[thread] = own;
  for (int reach = kThreads / 2; reach > 0; reach /= 2) {
    __syncthreads();
    if (thread < reach) bounds[thread] = merged(bounds[thread], bounds[thread + reach]);
  }
  if (thread != 0) return;
  const auto around =
      square_around(bounds[0], place(options.first), place(options.second), options.scale);
  next[0] = around.x;
  next[1] = around.y;
  next[2] = around.size;
  next[3] = around.rotation;
}

}  // namespace

cudaError_t launch_mesh_square(const float* points, const double* square,
                               const MeshSquareOptions& options, double* next,
                               cudaStream_t stream) {
  mesh_square_kernel<<<1, kThreads, 0, stream>>>(points, square, options, next);
  return cudaGetLastError();
}

}  // namespace latentsync::kernels
