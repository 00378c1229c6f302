#include "core/error.h"
#include "core/face/image_sampler.h"
#include "tests/support/compare.h"
#include "tests/support/pictures.h"

#include <cmath>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::face {
namespace {

using kernels::PixelFormat;
using test::paint;
using test::Picture;

constexpr int kWidth = 321;
constexpr int kHeight = 239;

// The samples' colours as the tensor that TensorSampler takes, chroma from the nearest sample.
at::Tensor rgb_of(const kernels::ImageView& view) {
  const auto picture = at::empty({3, view.height, view.width}, at::kFloat);
  auto out = picture.accessor<float, 3>();
  for (int y = 0; y < view.height; ++y) {
    for (int x = 0; x < view.width; ++x) {
      const auto code = [&](int c) -> double {
        return test::sample(view, c, x * test::columns_of(view, c) / view.width,
                            y * test::rows_of(view, c) / view.height);
      };
      const auto rgb = test::to_rgb(view, {code(0), code(1), code(2)});
      for (int c = 0; c < 3; ++c) out[c][y][x] = static_cast<float>(rgb[c]);
    }
  }
  return picture;
}

ImageSampler sampler_of(const Picture& picture) {
  return ImageSampler(picture.view, test::test_device());
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu() - b.cpu()).abs().max().item<double>();
}

const std::vector<RotatedSquare> kSquares = {
    {{150, 110}, 30, 0},          // larger than the picture
    {{150.25, 110.75}, 61, 0.6},  // about as large
    {{160, 120}, 200, -2.5},      // smaller, turned
    {{160, 119}, 321, 0},         // the whole picture and more
    {{10, 230}, 120, 0.3},        // beyond a corner
};

// Whatever the format, a view is TensorSampler's view of the same picture.
TEST(FaceImageSampler, SeesWhatTensorSamplerSees) {
  for (const auto format : test::all_formats()) {
    const auto picture = paint({.format = format, .width = kWidth, .height = kHeight, .padding = 6},
                               test::smooth_color);
    const auto sampler = sampler_of(picture);
    EXPECT_EQ(sampler.width(), kWidth);
    EXPECT_EQ(sampler.height(), kHeight);
    const TensorSampler expected(rgb_of(picture.view));
    for (const auto& square : kSquares) {
      const auto view = sampler.sample(square, 48, Outside::kEdge);
      ASSERT_EQ(view.sizes(), (std::vector<int64_t>{1, 3, 48, 48}));
      EXPECT_EQ(view.device().type(), test::test_device().type());
      EXPECT_LT(distance(view, expected.sample(square, 48, Outside::kEdge)), 0.02)
          << "format " << static_cast<int>(format) << ", size " << square.size;
    }
  }
}

// Outside the picture there is its edge, or black; also where the square does not touch it at all,
// however far away that is.
TEST(FaceImageSampler, HasAnEdgeOrBlackOutside) {
  for (const auto format : test::all_formats()) {
    const auto picture = paint({.format = format, .width = 21, .height = 20}, [](double, double) {
      return test::Rgb{1, 1, 1};
    });
    const auto sampler = sampler_of(picture);
    for (const auto& center : {Point{0, 0}, Point{-500, 9}, Point{500, 9}, Point{9, 1e12}}) {
      const auto edge = sampler.sample({center, 30, 0.2}, 8, Outside::kEdge);
      EXPECT_LT(distance(edge, at::ones({1, 3, 8, 8})), 1e-3) << static_cast<int>(format);
    }
    for (const auto& center : {Point{-500, 9}, Point{500, 9}, Point{9, -1e12}}) {
      const auto black = sampler.sample({center, 30, 0.2}, 8, Outside::kBlack);
      EXPECT_LT(distance(black, at::zeros({1, 3, 8, 8})), 1e-3) << static_cast<int>(format);
    }
    const auto corner = sampler.sample({{-0.5, -0.5}, 16, 0}, 8, Outside::kBlack).cpu();
    EXPECT_NEAR(corner[0][1][0][0].item<double>(), 0, 1e-3);
    EXPECT_NEAR(corner[0][1][7][7].item<double>(), 1, 1e-3);
  }
}

// The edge that is repeated is the nearest sample's, not some other one's.
TEST(FaceImageSampler, RepeatsTheNearestSample) {
  const auto picture =
      paint({.format = PixelFormat::kRgb, .width = 40, .height = 30}, [](double x, double y) {
        return test::Rgb{x / 64, y / 64, 0.5};
      });
  const auto view = sampler_of(picture).sample({{100, 14.5}, 16, 0}, 16, Outside::kEdge).cpu();
  for (const int64_t row : {0, 6, 15}) {
    EXPECT_NEAR(view[0][0][row][3].item<double>() * 64, 39, 0.2);
    EXPECT_NEAR(view[0][1][row][3].item<double>() * 64, 7 + static_cast<double>(row), 0.2);
  }
}

// Fine detail is averaged away where the view is smaller, up to one pixel for the largest frame.
TEST(FaceImageSampler, ShrinksWithoutAliasing) {
  const auto stripes = [](double x, double) {
    const double value = static_cast<int64_t>(x) % 2;
    return test::Rgb{value, value, value};
  };
  for (const auto format : {PixelFormat::kY444, PixelFormat::kBgrx, PixelFormat::kP010}) {
    const auto picture = paint({.format = format, .width = 1024, .height = 512}, stripes);
    const auto sampler = sampler_of(picture);
    for (const int64_t edge : {1, 3, 16, 64}) {
      const auto view = sampler.sample({{512.5, 255.5}, 400, 0.3}, edge, Outside::kEdge);
      EXPECT_LT(distance(view, at::ones({1, 3, edge, edge}) * 0.5), 0.2) << edge;
    }
  }
}

// A 4096-pixel frame shrinks to a detector's input: every part of it counts.
TEST(FaceImageSampler, ShrinksLargeFrames) {
  auto picture = test::make_picture({.format = PixelFormat::kNv12, .width = 4096, .height = 2160});
  picture.bytes.fill_(128);
  const auto view =
      sampler_of(picture).sample({{2047.5, 1079.5}, 4096, 0}, 128, Outside::kBlack).cpu();
  const double grey = (128 - 16) / 219.0;
  EXPECT_NEAR(view[0][0][64][0].item<double>(), grey, 1e-3);
  EXPECT_NEAR(view[0][2][64][127].item<double>(), grey, 1e-3);
  EXPECT_NEAR(view[0][1][29][64].item<double>(), 0, 1e-3);
  EXPECT_NEAR(view[0][1][32][64].item<double>(), grey, 1e-3);
}

// Frames and squares that are none are refused, and a frame on another device than its views.
TEST(FaceImageSampler, RefusesWhatDoesNotFit) {
  const auto picture =
      paint({.format = PixelFormat::kI420, .width = 32, .height = 32}, test::smooth_color);
  const auto refused = [](const kernels::ImageView& view, c10::Device device) {
    try {
      const ImageSampler sampler(view, device);
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  };
  auto broken = picture.view;
  broken.planes[1].data = nullptr;
  refused(broken, at::kCPU);
  refused({}, at::kCPU);
  refused(picture.view, at::kMeta);
  auto elsewhere = picture.view;
  elsewhere.device = 1;
  refused(elsewhere, at::kCPU);
  refused(elsewhere, c10::Device(at::kCUDA, 0));

  const ImageSampler sampler(picture.view, at::kCPU);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& square : {RotatedSquare{{16, 16}, 0, 0}, RotatedSquare{{16, 16}, -4, 0},
                             RotatedSquare{{16, nan}, 4, 0}, RotatedSquare{{16, 16}, 4, nan},
                             RotatedSquare{{16, 16}, nan, 0}}) {
    EXPECT_THROW(sampler.sample(square, 8, Outside::kEdge), Error);
  }
  EXPECT_THROW(sampler.sample({{16, 16}, 8, 0}, 0, Outside::kEdge), Error);
}

}  // namespace
}  // namespace latentsync::face
