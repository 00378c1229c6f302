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

using test::busy_color;
using test::close;
using test::paint;
using test::PictureKind;
using test::turned;

constexpr double kGrey = 127.0 / 255;

at::Tensor crop_of(const test::Picture& picture, const Affine& map, int64_t height, int64_t width,
                   const WarpOptions& options = {}, ValueRange range = ValueRange::kUnit) {
  const auto there = picture.to(test::test_device());
  const auto crop =
      at::empty({3, height, width}, at::TensorOptions(at::kFloat).device(test::test_device()));
  warp_crop(there.view, map, range, crop, options);
  return crop.cpu();
}

// The code value that counts for a sample's number, inside the frame or outside.
double code_at(const ImageView& view, int c, int i, int j, Outside outside) {
  const int right = test::columns_of(view, c) - 1;
  const int bottom = test::rows_of(view, c) - 1;
  const bool inside = i >= 0 && j >= 0 && i <= right && j <= bottom;
  if (inside || outside == Outside::kEdge) {
    return test::sample(view, c, std::clamp(i, 0, right), std::clamp(j, 0, bottom));
  }
  const double grey = outside == Outside::kGrey ? kGrey : 0;
  return test::to_code(view, {grey, grey, grey})[c];
}

// The cubic around a component's point: all samples within the footprint.
double cubic_at(const ImageView& view, int c, double x, double y, double spacing_x,
                double spacing_y, Outside outside) {
  const double reach_x = std::max(1.0, spacing_x);
  const double reach_y = std::max(1.0, spacing_y);
  double total = 0;
  double weights = 0;
  for (int j = static_cast<int>(std::floor(y - 2 * reach_y)); j <= y + 2 * reach_y; ++j) {
    for (int i = static_cast<int>(std::floor(x - 2 * reach_x)); i <= x + 2 * reach_x; ++i) {
      const double weight = test::cubic((i - x) / reach_x) * test::cubic((j - y) / reach_y);
      total += weight * code_at(view, c, i, j, outside);
      weights += weight;
    }
  }
  return total / weights;
}

// The average of a block of samples, what lies outside the frame left out.
double block_at(const ImageView& view, int c, int column, int row, int across, int down,
                Outside outside) {
  const int columns = (test::columns_of(view, c) + across - 1) / across;
  const int rows = (test::rows_of(view, c) + down - 1) / down;
  if (outside == Outside::kEdge) {
    column = std::clamp(column, 0, columns - 1);
    row = std::clamp(row, 0, rows - 1);
  } else if (column < 0 || row < 0 || column >= columns || row >= rows) {
    return code_at(view, c, -1, -1, outside);
  }
  double total = 0;
  int count = 0;
  for (int j = row * down; j < std::min((row + 1) * down, test::rows_of(view, c)); ++j) {
    for (int i = column * across; i < std::min((column + 1) * across, test::columns_of(view, c));
         ++i) {
      total += test::sample(view, c, i, j);
      ++count;
    }
  }
  return total / count;
}

// Linear interpolation between the averages of blocks, around a component's point.
double average_at(const ImageView& view, int c, double x, double y, double spacing_x,
                  double spacing_y, Outside outside) {
  const auto edge = [](double spacing, int size) {
    return std::clamp(static_cast<int>(spacing), 1, size);
  };
  const int across = edge(spacing_x, test::columns_of(view, c));
  const int down = edge(spacing_y, test::rows_of(view, c));
  const double u = (x + 0.5) / across - 0.5;
  const double v = (y + 0.5) / down - 0.5;
  const int left = static_cast<int>(std::floor(u));
  const int top = static_cast<int>(std::floor(v));
  double total = 0;
  for (const int j : {top, top + 1}) {
    for (const int i : {left, left + 1}) {
      total += (1 - std::fabs(u - i)) * (1 - std::fabs(v - j)) *
               block_at(view, c, i, j, across, down, outside);
    }
  }
  return total;
}

// A component at a point of the crop, by the definition.
double component_at(const ImageView& view, int c, const Affine& map, double u, double v,
                    const WarpOptions& options) {
  const auto first = test::place(view, c, 0, 0);
  const auto [pitch_x, pitch_y] = test::pitch(view, c);
  const double x = (map.xx * u + map.xy * v + map.x0 - first[0]) / pitch_x;
  const double y = (map.yx * u + map.yy * v + map.y0 - first[1]) / pitch_y;
  const double spacing_x = std::hypot(map.xx, map.xy) / pitch_x;
  const double spacing_y = std::hypot(map.yx, map.yy) / pitch_y;
  return options.filter == WarpFilter::kCubic
             ? cubic_at(view, c, x, y, spacing_x, spacing_y, options.outside)
             : average_at(view, c, x, y, spacing_x, spacing_y, options.outside);
}

at::Tensor gold(const ImageView& view, const Affine& map, int64_t height, int64_t width,
                const WarpOptions& options = {}) {
  const auto crop = at::empty({3, height, width}, at::kDouble);
  auto out = crop.accessor<double, 3>();
  for (int64_t v = 0; v < height; ++v) {
    for (int64_t u = 0; u < width; ++u) {
      const auto value = [&](int c) {
        return component_at(view, c, map, static_cast<double>(u), static_cast<double>(v), options);
      };
      const auto rgb = test::to_rgb(view, {value(0), value(1), value(2)});
      for (int c = 0; c < 3; ++c) out[c][v][u] = std::clamp(rgb[c], 0.0, 1.0);
    }
  }
  return crop;
}

const Affine kMaps[] = {
    turned(0.6, 0.7, 0.3, 12, 5),     // finer than the frame
    turned(1.1, 0.8, -0.2, 3, 10),    // coarser in x alone
    turned(1.7, 1.4, 0.7, 30, -12),   // a little coarser
    turned(2.3, 2.9, 0.1, -20, -15),  // coarser, beyond the frame on all sides
    turned(7.5, 6, 2.5, 90, 60),      // upside down, far coarser
};

const WarpOptions kOptions[] = {
    {},
    {.outside = Outside::kBlack},
    {.outside = Outside::kEdge},
    {.filter = WarpFilter::kAverages},
    {.outside = Outside::kBlack, .filter = WarpFilter::kAverages},
    {.outside = Outside::kEdge, .filter = WarpFilter::kAverages},
};

// The whole product of formats, matrices, ranges, sitings, paddings and odd sizes gives the
// definition's values: finer and coarser than the frame, inside it and beyond its borders.
TEST(WarpCrop, EqualsTheDefinition) {
  size_t turn = 0;
  for (const auto& kind : test::all_kinds()) {
    const auto& map = kMaps[turn % std::size(kMaps)];
    const auto& options = kOptions[turn / std::size(kMaps) % std::size(kOptions)];
    ++turn;
    const auto picture = paint(kind, busy_color);
    EXPECT_TRUE(close(crop_of(picture, map, 7, 9, options), gold(picture.view, map, 7, 9, options),
                      {.max_abs = 2e-4}))
        << test::describe(kind);
  }
}

// All maps with all options on formats of all layouts: none of the paths above is left to chance.
TEST(WarpCrop, EqualsTheDefinitionForEveryMap) {
  for (const auto format :
       {PixelFormat::kI420, PixelFormat::kP010, PixelFormat::kYuy2, PixelFormat::kY444,
        PixelFormat::kBgr, PixelFormat::kRgba, PixelFormat::kUyvy, PixelFormat::kV210,
        PixelFormat::kI420Ten, PixelFormat::kY444Ten, PixelFormat::kAbgr, PixelFormat::kGbrTen}) {
    const auto picture = paint({.format = format, .width = 75, .height = 53}, busy_color);
    for (const auto& map : kMaps) {
      for (const auto& options : kOptions) {
        EXPECT_TRUE(close(crop_of(picture, map, 21, 67, options),
                          gold(picture.view, map, 21, 67, options), {.max_abs = 2e-4}))
            << static_cast<int>(format);
      }
    }
  }
}

// A picture that is far larger than its crop.
TEST(WarpCrop, EqualsTheDefinitionWhereItShrinksMost) {
  const auto picture =
      paint({.format = PixelFormat::kNv12, .width = 301, .height = 203}, busy_color);
  const Affine map{.xx = 60, .xy = 3, .x0 = 20, .yx = -4, .yy = 58, .y0 = 30};
  EXPECT_TRUE(close(crop_of(picture, map, 5, 4), gold(picture.view, map, 5, 4), {.max_abs = 2e-4}));
}

// Planes that share their memory are three planes all the same: grey pictures are given so.
TEST(WarpCrop, PlanesMayShareTheirMemory) {
  auto picture = paint({.format = PixelFormat::kI420, .width = 41, .height = 35}, busy_color);
  picture.view.planes[2] = picture.view.planes[1];
  EXPECT_TRUE(close(crop_of(picture, kMaps[0], 20, 20), gold(picture.view, kMaps[0], 20, 20),
                    {.max_abs = 2e-4}));
}

// Signed values are 2 x - 1 of unit ones, and a batch's slice is written in place.
TEST(WarpCrop, SignedRangeIsTwiceLessOne) {
  const auto picture =
      paint({.format = PixelFormat::kNv12, .width = 40, .height = 30}, test::smooth_color);
  const auto unit = crop_of(picture, kMaps[0], 16, 16);
  const auto twice = crop_of(picture, kMaps[0], 16, 16, {}, ValueRange::kSigned);
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
  for (const auto format : {PixelFormat::kNv12, PixelFormat::kRgb}) {
    const auto picture = paint({.format = format, .width = 200, .height = 150}, busy_color);
    const int threads = at::get_num_threads();
    for (const auto& options : {kOptions[0], kOptions[5]}) {
      for (const auto& map : kMaps) {
        at::set_num_threads(1);
        const auto alone = crop_of(picture, map, 128, 128, options);
        at::set_num_threads(2);
        const auto together = crop_of(picture, map, 128, 128, options);
        at::set_num_threads(threads);
        EXPECT_TRUE(alone.equal(together));
      }
    }
  }
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
  refused(picture.view, {.xx = 70}, crop);
  refused(picture.view, {.x0 = std::numeric_limits<double>::quiet_NaN()}, crop);
  const auto refused_options = [&](const WarpOptions& options) {
    EXPECT_THROW(warp_crop(picture.view, {}, ValueRange::kUnit, crop, options), c10::Error);
  };
  refused_options({.outside = static_cast<Outside>(3)});
  refused_options({.filter = static_cast<WarpFilter>(2)});
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
