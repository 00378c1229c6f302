#include "kernels/warp_crop/warp_crop.h"

#include "tests/support/compare.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

using test::close;
using test::paint;
using test::PictureKind;

constexpr double kGrey = 127.0 / 255;

at::Tensor crop_of(const test::Picture& picture, const Affine& map, int64_t height, int64_t width,
                   ValueRange range = ValueRange::kUnit) {
  const auto there = picture.to(test::test_device());
  const auto crop =
      at::empty({3, height, width}, at::TensorOptions(at::kFloat).device(test::test_device()));
  warp_crop(there.view, map, range, crop);
  return crop.cpu();
}

// A component at a point, by the definition: all samples within the footprint, the fill outside.
double component_at(const ImageView& view, int c, const Affine& map, double u, double v) {
  const auto first = test::place(view, c, 0, 0);
  const auto next = test::place(view, c, 1, 1);
  const double pitch_x = next[0] - first[0];
  const double pitch_y = next[1] - first[1];
  const double x = (map.xx * u + map.xy * v + map.x0 - first[0]) / pitch_x;
  const double y = (map.yx * u + map.yy * v + map.y0 - first[1]) / pitch_y;
  const double reach_x = std::max(1.0, std::hypot(map.xx, map.xy) / pitch_x);
  const double reach_y = std::max(1.0, std::hypot(map.yx, map.yy) / pitch_y);
  const double fill = test::to_code(view, {kGrey, kGrey, kGrey})[c];
  double total = 0;
  double weights = 0;
  for (int j = static_cast<int>(std::floor(y - 2 * reach_y)); j <= y + 2 * reach_y; ++j) {
    for (int i = static_cast<int>(std::floor(x - 2 * reach_x)); i <= x + 2 * reach_x; ++i) {
      const double weight = test::cubic((i - x) / reach_x) * test::cubic((j - y) / reach_y);
      const bool inside =
          i >= 0 && j >= 0 && i < test::columns_of(view, c) && j < test::rows_of(view, c);
      total += weight * (inside ? test::sample(view, c, i, j) : fill);
      weights += weight;
    }
  }
  return total / weights;
}

at::Tensor gold(const ImageView& view, const Affine& map, int64_t height, int64_t width) {
  const auto crop = at::empty({3, height, width}, at::kDouble);
  auto out = crop.accessor<double, 3>();
  for (int64_t v = 0; v < height; ++v) {
    for (int64_t u = 0; u < width; ++u) {
      const auto x = static_cast<double>(u);
      const auto y = static_cast<double>(v);
      const auto rgb =
          test::to_rgb(view, {component_at(view, 0, map, x, y), component_at(view, 1, map, x, y),
                              component_at(view, 2, map, x, y)});
      for (int c = 0; c < 3; ++c) out[c][v][u] = std::clamp(rgb[c], 0.0, 1.0);
    }
  }
  return crop;
}

// Fine detail, so that a wrong tap or a wrong site shows.
test::Rgb busy_color(double x, double y) {
  return {0.5 + 0.4 * std::sin(1.3 * x + 0.4 * y), 0.5 + 0.4 * std::cos(0.9 * y - 0.2 * x),
          0.5 + 0.4 * std::sin(0.8 * (x + 2 * y))};
}

Affine turned(double scale_x, double scale_y, double angle, double x0, double y0) {
  return {.xx = scale_x * std::cos(angle),
          .xy = -scale_y * std::sin(angle),
          .x0 = x0,
          .yx = scale_x * std::sin(angle),
          .yy = scale_y * std::cos(angle),
          .y0 = y0};
}

const Affine kMaps[] = {
    turned(0.6, 0.7, 0.3, 12, 5),     // finer than the frame
    turned(1.1, 0.8, -0.2, 3, 10),    // coarser in x alone
    turned(1.7, 1.4, 0.7, 30, -12),   // a little coarser
    turned(2.3, 2.9, 0.1, -20, -15),  // coarser, beyond the frame on all sides
    turned(7.5, 6, 2.5, 90, 60),      // upside down, far coarser
};

// Every format, matrix, range and siting gives the definition's values: finer and coarser than the
// frame, inside it and beyond its borders, odd sizes included.
TEST(WarpCrop, EqualsTheDefinition) {
  size_t turn = 0;
  for (const auto format : test::all_formats()) {
    for (const auto matrix : {ColorMatrix::kBt601, ColorMatrix::kBt709, ColorMatrix::kBt2020}) {
      for (const auto range : {ColorRange::kLimited, ColorRange::kFull}) {
        const PictureKind kind{.format = format,
                               .width = 61 + static_cast<int>(turn % 2),
                               .height = 47 + static_cast<int>(turn / 2 % 2),
                               .padding = static_cast<int>(turn % 3 * 5),
                               .matrix = matrix,
                               .range = range,
                               .siting = static_cast<ChromaSiting>(turn % 3)};
        const auto& map = kMaps[turn % std::size(kMaps)];
        ++turn;
        const auto picture = paint(kind, busy_color);
        EXPECT_TRUE(close(crop_of(picture, map, 19, 23), gold(picture.view, map, 19, 23),
                          {.max_abs = 2e-4}))
            << test::describe(kind);
      }
    }
  }
}

// The maps on formats of all layouts: none of the paths above is left to chance.
TEST(WarpCrop, EqualsTheDefinitionForEveryMap) {
  for (const auto format : {PixelFormat::kI420, PixelFormat::kYuy2, PixelFormat::kY444,
                            PixelFormat::kBgr, PixelFormat::kRgba}) {
    const auto picture = paint({.format = format, .width = 75, .height = 53}, busy_color);
    for (const auto& map : kMaps) {
      EXPECT_TRUE(
          close(crop_of(picture, map, 70, 67), gold(picture.view, map, 70, 67), {.max_abs = 2e-4}));
    }
  }
}

// Signed values are 2 x - 1 of unit ones, and a batch's slice is written in place.
TEST(WarpCrop, SignedRangeIsTwiceLessOne) {
  const auto picture =
      paint({.format = PixelFormat::kNv12, .width = 40, .height = 30}, test::smooth_color);
  const auto unit = crop_of(picture, kMaps[0], 16, 16);
  const auto twice = crop_of(picture, kMaps[0], 16, 16, ValueRange::kSigned);
  EXPECT_TRUE(close(twice, unit.mul(2).sub(1), {.max_abs = 1e-6}));
}

// A crop that lies wholly outside the frame is the fill grey, however far away.
TEST(WarpCrop, OutsideIsGrey) {
  for (const auto format : test::all_formats()) {
    const auto picture =
        paint({.format = format, .width = 9, .height = 7}, [](double, double) -> test::Rgb {
          return {1, 0, 0};
        });
    for (const double far : {-60.0, 60.0, 1e9, -1e9}) {
      const auto crop = crop_of(picture, {.x0 = far, .y0 = far / 2}, 12, 12);
      EXPECT_TRUE(close(crop, crop.clone().fill_(kGrey), {.max_abs = 1e-5}))
          << static_cast<int>(format) << " " << far;
    }
  }
}

// A flat frame stays flat at any scale: weights sum to one.
TEST(WarpCrop, FlatStaysFlat) {
  const test::Rgb color{0.5, 0.25, 0.75};
  const auto picture = paint({.format = PixelFormat::kP010, .width = 400, .height = 400},
                             [&](double, double) { return color; });
  for (const double scale : {0.31, 1.0, 1.5, 4.0, 11.0}) {
    const auto crop = crop_of(picture, {.xx = scale, .x0 = 120, .yy = scale, .y0 = 120}, 8, 8);
    const auto code = test::to_code(picture.view, color);
    const auto rgb =
        test::to_rgb(picture.view, {std::round(code[0]), std::round(code[1]), std::round(code[2])});
    for (int c = 0; c < 3; ++c) {
      EXPECT_TRUE(close(crop[c], crop[c].clone().fill_(rgb[c]), {.max_abs = 1e-5})) << scale;
    }
  }
}

// The number of threads does not change a bit.
TEST(WarpCropDeterminism, ThreadsDoNotChangeTheResult) {
  const auto picture =
      paint({.format = PixelFormat::kNv12, .width = 200, .height = 150}, busy_color);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = crop_of(picture, kMaps[1], 128, 128);
  at::set_num_threads(2);
  const auto together = crop_of(picture, kMaps[1], 128, 128);
  at::set_num_threads(threads);
  EXPECT_TRUE(alone.equal(together));
}

// Arguments that do not fit are refused before anything is written.
TEST(WarpCrop_Negative, RefusesWhatDoesNotFit) {
  const auto picture =
      paint({.format = PixelFormat::kI420, .width = 32, .height = 32}, test::smooth_color)
          .to(test::test_device());
  const auto options = at::TensorOptions(at::kFloat).device(test::test_device());
  const auto crop = at::empty({3, 8, 8}, options).fill_(5);
  const auto refused = [&](const ImageView& view, const Affine& map, const at::Tensor& out) {
    EXPECT_THROW(warp_crop(view, map, ValueRange::kUnit, out), c10::Error);
  };
  refused(picture.view, {}, at::empty({4, 8, 8}, options));
  refused(picture.view, {}, at::empty({3, 8}, options));
  refused(picture.view, {}, at::empty({3, 0, 8}, options));
  refused(picture.view, {}, at::empty({3, 8, 8}, options.dtype(at::kDouble)));
  refused(picture.view, {}, at::empty({3, 8, 8}, options).transpose(1, 2));
  refused(picture.view, {.xx = 0}, crop);
  refused(picture.view, {.xx = 40}, crop);
  refused(picture.view, {.x0 = std::numeric_limits<double>::quiet_NaN()}, crop);
  auto broken = picture.view;
  broken.planes[1].data = nullptr;
  refused(broken, {}, crop);
  auto elsewhere = picture.view;
  elsewhere.device = picture.view.device == kSystemMemory ? 0 : kSystemMemory;
  refused(elsewhere, {}, crop);
  EXPECT_TRUE(crop.eq(5).all().item<bool>());
}

}  // namespace
}  // namespace latentsync::kernels
