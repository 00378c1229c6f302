#include "examples/train/morph.h"

#include "core/error.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/affine_grid_generator.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>

namespace latentsync::train {
namespace {

// Of Gaussians, in parts of half the edge: how far one landmark counts beside the next, and how far
// from the lips all of them do.
constexpr double kPoint = 0.035, kReach = 0.22;
constexpr int64_t kCoarse = 4;  // pixels: moves are smooth

// For each frame of ONE the nearest of ANOTHER: int64 [T].
at::Tensor nearest(const at::Tensor& one, const at::Tensor& another) {
  return (one.unsqueeze(1) - another.unsqueeze(0)).square().sum(2).argmin(1);
}

// [T, points, 2] in pixels of a crop of SIDE -> -1 to 1 over it
at::Tensor over_edge(const at::Tensor& lips, int64_t side) {
  return (lips + 0.5) * (2 / static_cast<double>(side)) - 1;
}

// IMAGES [T, 3, side, side] with what they have at FROM moved to TO, both [T, points, 2].
at::Tensor bent(const at::Tensor& images, const at::Tensor& from, const at::Tensor& to) {
  constexpr int64_t kBilinear = 0, kBorder = 1;
  const auto count = images.size(0), side = images.size(3), coarse = side / kCoarse;
  const auto still = at::tensor({1, 0, 0, 0, 1, 0}, at::kFloat).view({1, 2, 3}).to(images.device());
  const auto places = at::affine_grid_generator(still, {1, 3, coarse, coarse}, false);
  const auto distances =
      (places.view({1, -1, 1, 2}) - to.unsqueeze(1)).square().sum(3);  // [T, places, points]
  const auto shares = at::softmax(distances * (-0.5 / (kPoint * kPoint)), 2);
  const auto near = (distances.amin(2, true) * (-0.5 / (kReach * kReach))).exp();
  const auto moves =
      (at::matmul(shares, from - to) * near).view({count, coarse, coarse, 2}).permute({0, 3, 1, 2});
  const auto grid = at::affine_grid_generator(still, {1, 3, side, side}, false) +
                    at::upsample_bilinear2d(moves, {side, side}, false).permute({0, 2, 3, 1});
  return at::grid_sampler_2d(images, grid, kBilinear, kBorder, false);
}

}  // namespace

Clip morphed(const Clip& one, const std::vector<int64_t>& frames, const Clip& another, double share,
             c10::Device device) {
  if (one.crops.sizes().slice(1) != another.crops.sizes().slice(1) ||
      one.lips.sizes().slice(1) != another.lips.sizes().slice(1)) {
    throw Error(ErrorCode::kInvalidArgument, "\"" + one.name + "\" and \"" + another.name +
                                                 "\" have crops or landmarks of different sizes.");
  }
  const auto chosen = at::tensor(frames, at::kLong);
  Clip part{.name = one.name, .speaker = one.speaker, .part = one.part};
  part.mouth = one.mouth.index_select(0, chosen);
  const auto alike = nearest(part.mouth, another.mouth);
  const auto side = one.crops.size(1);
  const auto images = [device](const Clip& clip, const at::Tensor& index) {
    return clip.crops.index_select(0, index).to(device).permute({0, 3, 1, 2}).to(at::kFloat);
  };
  const auto lips = one.lips.index_select(0, chosen);
  const auto others = another.lips.index_select(0, alike);
  part.lips = at::lerp(lips, others, share);
  const auto places = [&](const at::Tensor& points) { return over_edge(points, side).to(device); };
  const auto to = places(part.lips);
  const auto mixed = at::lerp(bent(images(one, chosen), places(lips), to),
                              bent(images(another, alike), places(others), to), share);
  part.crops = mixed.clamp_(0, 255).round_().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  return part;
}

}  // namespace latentsync::train
