#include "kernels/image/image_view.h"

#include "kernels/image/affine.h"
#include "tests/support/pictures.h"

#include <limits>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

ImageView good(PixelFormat format, int width = 33, int height = 17) {
  return test::make_picture({.format = format, .width = width, .height = height}).view;
}

// Odd sizes have their chroma rounded up, and YUY2 whole pairs of pixels.
TEST(ImageView, OddSizesRoundChromaUp) {
  const auto expect = [](PixelFormat format, int plane, int64_t row_bytes, int64_t rows) {
    const auto size = plane_size(format, plane, 33, 17);
    EXPECT_EQ(size.row_bytes, row_bytes);
    EXPECT_EQ(size.rows, rows);
  };
  expect(PixelFormat::kNv12, 0, 33, 17);
  expect(PixelFormat::kNv12, 1, 34, 9);
  expect(PixelFormat::kI420, 2, 17, 9);
  expect(PixelFormat::kP010, 0, 66, 17);
  expect(PixelFormat::kP010, 1, 68, 9);
  expect(PixelFormat::kY42b, 1, 17, 17);
  expect(PixelFormat::kY444, 2, 33, 17);
  expect(PixelFormat::kYuy2, 0, 68, 17);
  expect(PixelFormat::kUyvy, 0, 68, 17);
  expect(PixelFormat::kV210, 0, 96, 17);
  expect(PixelFormat::kI420Ten, 0, 66, 17);
  expect(PixelFormat::kI420Ten, 2, 34, 9);
  expect(PixelFormat::kI422Ten, 1, 34, 17);
  expect(PixelFormat::kY444Ten, 1, 66, 17);
  expect(PixelFormat::kGbrTen, 1, 66, 17);
  expect(PixelFormat::kArgb, 0, 132, 17);
  expect(PixelFormat::kBgr, 0, 99, 17);
  expect(PixelFormat::kRgbx, 0, 132, 17);
}

// Every format's smallest and odd frames are accepted with strides that just hold their rows.
TEST(ImageView, AcceptsEveryFormat) {
  for (const auto format : test::all_formats()) {
    EXPECT_NO_THROW(check_image(good(format)));
    EXPECT_NO_THROW(check_image(good(format, 1, 1)));
  }
}

// Inverting twice and composing with the inverse give the map and nothing.
TEST(Affine, InverseUndoes) {
  const Affine map{.xx = 1.2, .xy = -0.3, .x0 = 40, .yx = 0.2, .yy = 0.9, .y0 = -7};
  const auto nothing = compose(map, inverse(map));
  EXPECT_NEAR(nothing.xx, 1, 1e-12);
  EXPECT_NEAR(nothing.xy, 0, 1e-12);
  EXPECT_NEAR(nothing.x0, 0, 1e-12);
  EXPECT_NEAR(nothing.yx, 0, 1e-12);
  EXPECT_NEAR(nothing.yy, 1, 1e-12);
  EXPECT_NEAR(nothing.y0, 0, 1e-12);
}

// The stretched crop's outer edges are the aligned face's.
TEST(Affine, CropEdgesFallOnAlignedEdges) {
  const auto map = crop_to_frame({}, 210, 280, 256, 256);
  EXPECT_NEAR(map.xx * -0.5 + map.x0, -0.5, 1e-12);
  EXPECT_NEAR(map.xx * 255.5 + map.x0, 209.5, 1e-12);
  EXPECT_NEAR(map.yy * 255.5 + map.y0, 279.5, 1e-12);
}

// A matrix that cannot be inverted is refused.
TEST(Affine_Negative, RefusesSingularAndNotFinite) {
  EXPECT_THROW(inverse({.xx = 1, .xy = 2, .yx = 2, .yy = 4}), c10::Error);
  EXPECT_THROW(inverse({.xx = std::numeric_limits<double>::quiet_NaN()}), c10::Error);
  EXPECT_THROW(inverse({.x0 = std::numeric_limits<double>::infinity()}), c10::Error);
  EXPECT_THROW(crop_to_frame({}, 0, 280, 256, 256), c10::Error);
}

// Views that would make a kernel read or write elsewhere are refused.
TEST(ImageView_Negative, RefusesWhatDoesNotHold) {
  for (const auto format : test::all_formats()) {
    const auto refused = [format](auto change) {
      auto image = good(format);
      change(image);
      EXPECT_THROW(check_image(image), c10::Error) << static_cast<int>(format);
    };
    refused([](ImageView& v) { v.width = 0; });
    refused([](ImageView& v) { v.height = -3; });
    refused([](ImageView& v) { v.width = kMostImageEdge + 1; });
    refused([](ImageView& v) { v.device = -2; });
    refused([](ImageView& v) { v.format = static_cast<PixelFormat>(99); });
    refused([](ImageView& v) { v.matrix = static_cast<ColorMatrix>(9); });
    refused([](ImageView& v) { v.range = static_cast<ColorRange>(9); });
    refused([](ImageView& v) { v.siting = static_cast<ChromaSiting>(9); });
    refused([](ImageView& v) { v.scan = static_cast<Scan>(9); });
    refused([](ImageView& v) { v.field = static_cast<Field>(9); });
    refused([](ImageView& v) { v.height = 1, v.field = Field::kBottom; });
    for (int p = 0; p < plane_count(format); ++p) {
      refused([p](ImageView& v) { v.planes[p].data = nullptr; });
      refused([p](ImageView& v) { v.planes[p].stride -= 1; });
      refused([p](ImageView& v) { v.planes[p].stride *= -1; });
      refused([p](ImageView& v) { v.planes[p].stride = int64_t{1} << 40; });
    }
  }
  auto odd = good(PixelFormat::kP010);
  odd.planes[0].data += 1;
  EXPECT_THROW(check_image(odd), c10::Error);
  odd = good(PixelFormat::kP010);
  odd.planes[1].stride += 1;
  EXPECT_THROW(check_image(odd), c10::Error);
  EXPECT_THROW(plane_size(PixelFormat::kNv12, 2, 8, 8), c10::Error);
}

}  // namespace
}  // namespace latentsync::kernels
