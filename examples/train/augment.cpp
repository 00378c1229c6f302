#include "examples/train/augment.h"

#include <cmath>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/affine_grid_generator.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/replication_pad2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

namespace latentsync::train {
namespace {

constexpr int64_t kBendPlaces = 5;  // along the edge
// How far the mouth's size reaches: Gaussians' deviations, in parts of half the edge.
constexpr double kMouthAcross = 0.3, kMouthAlong = 0.2;

// From places of the result to places of the stored crop, both from -1 to 1 over their edges.
struct Placement {
  double m[2][3];
};

Placement placement(const Dataset& dataset, const Augmentation& change) {
  const auto edge = static_cast<double>(dataset.edge);
  const double part = edge / (edge + 2 * static_cast<double>(dataset.margin)) / change.scale;
  const double cosine = std::cos(change.turn) * part, sine = std::sin(change.turn) * part;
  const double side = change.mirror ? -1 : 1;
  return {{{side * cosine, -sine, -2 * change.right * part},
           {side * sine, cosine, -2 * change.down * part}}};
}

// What BEND moves PLACES [1, H, W, 2] by, which go from -1 to 1 over the crop: [1, H, W, 2] in the
// same unit.
at::Tensor bend_at(const at::Tensor& bend, const at::Tensor& places) {
  constexpr int64_t kCubic = 2, kBorder = 1;
  return 2 * at::grid_sampler_2d(bend, places, kCubic, kBorder, true).permute({0, 2, 3, 1});
}

// The face's other shape: by how much places of the result are off those of the stored face.
struct Shape {
  at::Tensor bend;         // undefined: none
  at::Tensor mouth, size;  // [2]: its middle, from -1 to 1 over the crop; undefined: as it is

  at::Tensor moves(const at::Tensor& places) const {
    auto moved = bend.defined() ? bend_at(bend, places) : at::zeros_like(places);
    if (!mouth.defined()) return moved;
    const auto from = places - mouth;
    const auto reach = at::tensor({kMouthAcross, kMouthAlong}, from.options());
    const auto near = ((from / reach).square().sum(3, true) * -0.5).exp();
    return moved + from * (1 / size - 1) * near;
  }

  // Where the result has the PLACES [1, N, M, 2] of the stored face.
  at::Tensor undone(const at::Tensor& places) const {
    constexpr int kTurns = 8;  // a mouth of 0.62 of its height leaves 0.6 of the error each time
    auto found = places;
    for (int turn = 0; turn < kTurns; ++turn) found = places - moves(found);
    return found;
  }
};

// The stored lips [T, points, 2] in the result, -1 to 1, but for the face's other shape:
// [1, T, points, 2].
at::Tensor placed_lips(const Dataset& dataset, const Clip& clip, const Augmentation& change) {
  const auto stored = static_cast<double>(dataset.edge + 2 * dataset.margin);
  const auto place = placement(dataset, change);
  const auto x = (clip.lips.select(2, 0) + 0.5) * (2 / stored) - 1 - place.m[0][2];
  const auto y = (clip.lips.select(2, 1) + 0.5) * (2 / stored) - 1 - place.m[1][2];
  const double determinant = place.m[0][0] * place.m[1][1] - place.m[0][1] * place.m[1][0];
  return at::stack({x * place.m[1][1] - y * place.m[0][1], y * place.m[0][0] - x * place.m[1][0]},
                   2)
      .div_(determinant)
      .unsqueeze(0);
}

Shape shape_of(const Augmentation& change, const at::Tensor& lips) {
  Shape shape{.bend = change.bend};
  if (change.mouth_wide != 1 || change.mouth_high != 1) {
    shape.mouth = shape.undone(lips).mean({0, 1, 2});
    shape.size = at::tensor({change.mouth_wide, change.mouth_high}, lips.options());
  }
  return shape;
}

// Rotation about the grey axis by HUE, then saturation, then gains: [3, 3].
at::Tensor colour_matrix(const Augmentation& change) {
  const double c = std::cos(change.hue), s = std::sin(change.hue) / std::numbers::sqrt3;
  std::vector<double> matrix;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) {
      const int turn = (column - row + 3) % 3;
      double value = (1 - c) / 3 + (turn == 0 ? c : turn == 1 ? -s : s);
      value = change.saturation * value + (1 - change.saturation) / 3;
      matrix.push_back(value * change.gain[row]);
    }
  }
  return at::tensor(matrix, at::kFloat).view({3, 3});
}

at::Tensor blurred(const at::Tensor& images, double deviation) {
  const auto reach = static_cast<int64_t>(std::ceil(3 * deviation));
  auto kernel = at::arange(-reach, reach + 1, at::kFloat);
  kernel = (kernel.square() * (-0.5 / (deviation * deviation))).exp();
  kernel = (kernel / kernel.sum()).to(images.device());
  const auto taps = 2 * reach + 1;
  const auto across = kernel.view({1, 1, 1, taps}).expand({3, 1, 1, taps}).contiguous();
  const auto along = kernel.view({1, 1, taps, 1}).expand({3, 1, taps, 1}).contiguous();
  const auto framed = at::replication_pad2d(images, {reach, reach, reach, reach});
  const auto once = at::conv2d(framed, across, {}, 1, at::IntArrayRef(0), 1, 3);
  return at::conv2d(once, along, {}, 1, at::IntArrayRef(0), 1, 3);
}

// [1, 3, side, side], parts of the range
at::Tensor mean_crop(const Clip& clip, c10::Device device) {
  constexpr int64_t kStride = 4;  // frames of a clip are much alike
  return clip.crops.slice(0, 0, {}, kStride)
      .to(device)
      .to(at::kFloat)
      .mean(0)
      .div_(255)
      .permute({2, 0, 1})
      .unsqueeze(0);
}

at::Tensor lit(const at::Tensor& images, const Augmentation& change) {
  const auto places = at::linspace(-1, 1, images.size(3), images.options());
  const auto slope = places.unsqueeze(0) * (change.light * std::cos(change.light_from)) +
                     places.unsqueeze(1) * (change.light * std::sin(change.light_from));
  return images * (1 + slope);
}

}  // namespace

Augmentation draw_augmentation(Random& random, Strength strength) {
  Augmentation change;
  if (strength == Strength::kNone) return change;
  const double s = strength == Strength::kStrong ? 1.6 : 1;
  const auto about = [&](double width) { return uniform(random, -width, width) * s; };
  change.turn = about(0.05);
  change.scale = std::exp(about(0.03));
  change.right = about(0.015);
  change.down = about(0.015);
  change.mirror = random() % 2 == 0;
  std::vector<float> moves;
  for (int64_t i = 0; i < 2 * kBendPlaces * kBendPlaces; ++i) {
    moves.push_back(static_cast<float>(about(0.025)));
  }
  change.bend = at::tensor(moves).view({1, 2, kBendPlaces, kBendPlaces});
  change.mouth_wide = std::exp(about(0.1));
  change.mouth_high = std::exp(uniform(random, -0.3, 0.2) * s);
  change.hue = about(0.18);
  change.saturation = std::exp(about(0.25));
  const double exposure = about(0.25);
  for (double& gain : change.gain) gain = std::exp(exposure + about(0.1));
  change.gamma = std::exp(about(0.25));
  change.light = uniform(random, 0, 0.25) * s;
  change.light_from = uniform(random, 0, 2 * std::numbers::pi);
  change.blur = random() % 4 == 0 ? uniform(random, 0.2, 0.6) * s : 0;
  return change;
}

at::Tensor difference_of_faces(const Dataset& dataset, const Clip& one, const Clip& another,
                               double deviation, c10::Device device) {
  return blurred(mean_crop(another, device) - mean_crop(one, device),
                 deviation * static_cast<double>(dataset.edge));
}

at::Tensor augmented_crops(const Dataset& dataset, const Clip& clip, const Augmentation& change,
                           c10::Device device) {
  auto images = clip.crops.to(device).permute({0, 3, 1, 2}).to(at::kFloat).div_(255);
  if (change.other.defined()) images = (images + change.other.to(device)).clamp_(0, 1);
  const auto count = images.size(0), edge = dataset.edge;
  const auto place = placement(dataset, change);
  const auto theta =
      at::tensor(at::ArrayRef<double>(&place.m[0][0], 6), at::kFloat).view({1, 2, 3}).to(device);
  auto grid = at::affine_grid_generator(theta.narrow(0, 0, 1), {1, 3, edge, edge}, false);
  const auto still = at::tensor({1, 0, 0, 0, 1, 0}, at::kFloat).view({1, 2, 3});
  const auto places = at::affine_grid_generator(still, {1, 3, edge, edge}, false);
  const auto moved = shape_of(change, placed_lips(dataset, clip, change)).moves(places).to(device);
  grid = grid + at::matmul(moved, theta[0].slice(1, 0, 2).t());
  grid = grid.expand({count, -1, -1, -1});
  constexpr int64_t kBilinear = 0, kBorder = 1;
  images = at::grid_sampler_2d(images, grid, kBilinear, kBorder, false);
  if (change.blur > 0) images = blurred(images, change.blur * static_cast<double>(edge) / 128);
  images = at::einsum("ij,njhw->nihw", {colour_matrix(change).to(device), images});
  images = lit(images, change).clamp_(0, 1);
  if (change.gamma != 1) images = images.pow(change.gamma);
  return images.mul_(2).sub_(1).contiguous();
}

at::Tensor augmented_lips(const Dataset& dataset, const Clip& clip, const Augmentation& change) {
  const auto lips = placed_lips(dataset, clip, change);
  const auto places = shape_of(change, lips).undone(lips).squeeze(0);
  const auto u = places.select(2, 0) / 2 + 0.5;
  const auto v = places.select(2, 1) / 2 + 0.5;
  const auto left = u.amin(1), right = u.amax(1), top = v.amin(1), bottom = v.amax(1);
  return at::stack({(left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2},
                   1);
}

}  // namespace latentsync::train
