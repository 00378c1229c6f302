#include "kernels/warp_crop/warp_square.h"

#include "kernels/warp_crop/warp_crop.h"
#include "tests/support/compare.h"
#include "tests/support/pictures.h"

#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

constexpr int kEdge = 48;

at::Tensor as_tensor(const Square& square) {
  return at::tensor({square.x, square.y, square.size, square.rotation}, at::kDouble)
      .to(test::test_device());
}

at::Tensor new_crop() {
  return at::full({3, kEdge, kEdge}, -7, at::TensorOptions(at::kFloat).device(test::test_device()));
}

// A square that only the device knows shows what the host's own shows: small, large, turned, partly
// outside, of subsampled and of packed pixels.
TEST(WarpSquare, EqualsWarpCrop) {
  for (const auto format :
       {PixelFormat::kNv12, PixelFormat::kI420, PixelFormat::kRgb, PixelFormat::kP010}) {
    const auto picture = test::paint({format, 120, 90}, test::busy_color).to(test::test_device());
    for (const Square& square : {Square{60, 45, 40, 0}, Square{60, 45, 200, 0.4},
                                 Square{10, 80, 96, -2}, Square{119, 0, 300, 3}}) {
      for (const auto outside : {Outside::kEdge, Outside::kBlack}) {
        const auto crop = new_crop();
        const auto expected = new_crop();
        warp_square(picture.view, as_tensor(square), ValueRange::kUnit, crop, outside);
        warp_crop(picture.view, map_of(square, kEdge), ValueRange::kUnit, expected,
                  {.outside = outside, .filter = WarpFilter::kAverages});
        EXPECT_TRUE(test::close(crop, expected, {.max_abs = 1e-5}))
            << static_cast<int>(format) << ", " << square.size;
      }
    }
  }
}

// A square that cannot be looked at is no error, and its view is written.
TEST(WarpSquare, WhatIsNotUsableShowsNothing) {
  const auto picture =
      test::paint({PixelFormat::kNv12, 120, 90}, test::busy_color).to(test::test_device());
  for (const Square& square :
       {Square{60, 45, 0, 0}, Square{60, 45, -3, 0}, Square{60, 45, 1e30, 0},
        Square{60, 45, 4 * 120 + 1, 0}, Square{-1, 45, 40, 0}, Square{60, 90, 40, 0},
        Square{60, 45, 40, INFINITY}, Square{NAN, 45, 40, 0}, Square{60, NAN, 40, 0},
        Square{60, 45, NAN, 0}, Square{60, 45, 40, NAN}}) {
    EXPECT_FALSE(is_usable(square, 120, 90));
    const auto crop = new_crop();
    warp_square(picture.view, as_tensor(square), ValueRange::kUnit, crop, Outside::kEdge);
    EXPECT_TRUE(crop.ge(0).logical_and(crop.le(1)).all().item<bool>());
  }
  EXPECT_TRUE(is_usable({0, 0, 4 * 120, 0}, 120, 90));
}

// Tensors that do not fit are refused, and nothing is written.
TEST(WarpSquare_Negative, RefusesWhatDoesNotFit) {
  const auto picture =
      test::paint({PixelFormat::kNv12, 120, 90}, test::busy_color).to(test::test_device());
  const auto square = as_tensor({60, 45, 40, 0});
  const auto crop = new_crop();
  const auto refuses = [&](const at::Tensor& of, const at::Tensor& into) {
    EXPECT_THROW(warp_square(picture.view, of, ValueRange::kUnit, into, Outside::kEdge),
                 c10::Error);
  };
  refuses(square.to(at::kFloat), crop);
  refuses(square.narrow(0, 0, 3), crop);
  refuses(square, crop.narrow(1, 0, kEdge - 1).contiguous());
  refuses(square, crop.to(at::kDouble));
  EXPECT_TRUE(crop.eq(-7).all().item<bool>());
}

}  // namespace
}  // namespace latentsync::kernels
