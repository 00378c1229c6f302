#include "kernels/mesh_square/mesh_square.h"

#include "kernels/image/tensors.h"
#include "kernels/mesh_square/mesh_square_on_cuda.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

void check(const at::Tensor& points, const at::Tensor& square, const MeshSquareOptions& options) {
  TORCH_CHECK(options.points > 0 && options.first >= 0 && options.first < options.points &&
                  options.second >= 0 && options.second < options.points && options.edge > 0,
              "mesh_square: there are ", options.points, " points");
  TORCH_CHECK(points.scalar_type() == at::kFloat && points.is_contiguous() &&
                  points.numel() >= 3 * options.points,
              "mesh_square: the points are x, y and z as float32");
  TORCH_CHECK(square.scalar_type() == at::kDouble && square.is_contiguous() &&
                  square.numel() == 4 && square.device() == points.device(),
              "mesh_square: the square is float64 [4] on the points' device");
}

at::Tensor mesh_square_cpu(const at::Tensor& points, const at::Tensor& square,
                           const MeshSquareOptions& options) {
  const auto* values = points.const_data_ptr<float>();
  const auto* shown = square.const_data_ptr<double>();
  const Square viewed{shown[0], shown[1], shown[2], shown[3]};
  const auto place = [&](int i) { return place_point(values + 3 * i, viewed, options.edge); };
  auto bounds = bounds_of(place(0));
  for (int i = 1; i < options.points; ++i) bounds = merged(bounds, bounds_of(place(i)));
  const auto next =
      square_around(bounds, place(options.first), place(options.second), options.scale);
  auto result = at::empty({4}, square.options());
  auto* out = result.mutable_data_ptr<double>();
  out[0] = next.x;
  out[1] = next.y;
  out[2] = next.size;
  out[3] = next.rotation;
  return result;
}

}  // namespace

at::Tensor mesh_square(const at::Tensor& points, const at::Tensor& square,
                       const MeshSquareOptions& options) {
  check(points, square, options);
  if (points.is_cpu()) return mesh_square_cpu(points, square, options);
#ifdef LATENTSYNC_HAVE_CUDA
  return mesh_square_on_cuda(points, square, options);
#else
  TORCH_CHECK(false, kNoCuda);
#endif
}

}  // namespace latentsync::kernels
