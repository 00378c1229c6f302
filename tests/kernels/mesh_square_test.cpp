#include "kernels/mesh_square/mesh_square.h"

#include "tests/support/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

constexpr int kPoints = 468;
constexpr MeshSquareOptions kOptions{
    .points = kPoints, .edge = 192, .scale = 1.5, .first = 33, .second = 263};

std::vector<double> run(const at::Tensor& points, const at::Tensor& square) {
  const auto next =
      mesh_square(points.to(test::test_device()), square.to(test::test_device()), kOptions).cpu();
  const auto* values = next.const_data_ptr<double>();
  return {values, values + next.numel()};
}

// The square as it is defined, of a mesh in a turned view.
TEST(MeshSquare, EqualsTheDefinition) {
  const auto points = at::rand({3 * kPoints + 1}) * 192;
  for (const double turn : {0., 0.7, -2.5}) {
    const auto square = at::tensor({300.25, 200.5, 180., turn}, at::kDouble);
    std::vector<double> x, y;
    for (int i = 0; i < kPoints; ++i) {
      const double u = (points[3 * i].item<double>() / 192 - 0.5) * 180;
      const double v = (points[3 * i + 1].item<double>() / 192 - 0.5) * 180;
      x.push_back(300.25 + u * std::cos(turn) - v * std::sin(turn));
      y.push_back(200.5 + u * std::sin(turn) + v * std::cos(turn));
    }
    const auto [left, right] = std::ranges::minmax(x);
    const auto [top, bottom] = std::ranges::minmax(y);
    const auto next = run(points, square);
    EXPECT_NEAR(next.at(0), (left + right) / 2, 1e-9);
    EXPECT_NEAR(next.at(1), (top + bottom) / 2, 1e-9);
    EXPECT_NEAR(next.at(2), 1.5 * std::max(right - left, bottom - top), 1e-9);
    EXPECT_NEAR(next.at(3), std::atan2(y[263] - y[33], x[263] - x[33]), 1e-9);
  }
}

// One point that is no number, or a square that is none, gives no square: the next view has nothing
// to show.
TEST(MeshSquare, WhatIsNoNumberGivesNone) {
  const auto square = at::tensor({300., 200., 180., 0.}, at::kDouble);
  for (const int point : {0, 200, kPoints - 1}) {
    auto points = at::rand({3 * kPoints + 1});
    points[3 * point + 1] = std::numeric_limits<float>::quiet_NaN();
    for (const double value : run(points, square)) EXPECT_TRUE(std::isnan(value)) << point;
  }
  const auto nothing = at::tensor({300., std::nan(""), 180., 0.}, at::kDouble);
  for (const double value : run(at::rand({3 * kPoints}), nothing)) EXPECT_TRUE(std::isnan(value));
}

// Tensors that do not fit are refused.
TEST(MeshSquare_Negative, RefusesWhatDoesNotFit) {
  const auto device = at::TensorOptions(test::test_device());
  const auto points = at::rand({3 * kPoints}, device);
  const auto square = at::rand({4}, device.dtype(at::kDouble));
  EXPECT_THROW(mesh_square(points.narrow(0, 0, 30), square, kOptions), c10::Error);
  EXPECT_THROW(mesh_square(points.to(at::kDouble), square, kOptions), c10::Error);
  EXPECT_THROW(mesh_square(points, square.to(at::kFloat), kOptions), c10::Error);
  EXPECT_THROW(mesh_square(points, square.narrow(0, 0, 3), kOptions), c10::Error);
  EXPECT_THROW(mesh_square(points, square, {.points = 10, .first = 10}), c10::Error);
}

}  // namespace
}  // namespace latentsync::kernels
