#include "kernels/paste_back/paste_back.h"

#include "kernels/warp_crop/warp_crop.h"
#include "tests/support/compare.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

using test::all_kinds;
using test::busy_color;
using test::paint;
using test::Picture;
using test::PictureKind;
using test::turned;

// A copy of the picture with the face in it.
Picture pasted(const Picture& picture, const at::Tensor& face, const at::Tensor& mask,
               const Affine& map, ValueRange range = ValueRange::kUnit) {
  const auto device = test::test_device();
  const auto there = picture.to(device);
  paste_back(face.to(device), range, mask.to(device), map, there.view);
  return there.to(at::kCPU);
}

// A value of a [H, W] tensor's double accessor at a point: the edge repeated outside.
template <typename Accessor>
double clamped(const Accessor& a, int64_t x, int64_t y) {
  return a[std::clamp<int64_t>(y, 0, a.size(0) - 1)][std::clamp<int64_t>(x, 0, a.size(1) - 1)];
}

class GoldCrop {
 public:
  GoldCrop(const at::Tensor& face, const at::Tensor& mask)
      : face_(face.to(at::kDouble).clamp(0, 1)), mask_(mask.to(at::kDouble).clamp(0, 1)) {}

  double weight_at(double x, double y) const {
    const auto a = mask_.accessor<double, 2>();
    const auto left = static_cast<int64_t>(std::floor(x));
    const auto top = static_cast<int64_t>(std::floor(y));
    double total = 0;
    for (int64_t j = top; j <= top + 1; ++j) {
      for (int64_t i = left; i <= left + 1; ++i) {
        if (i < 0 || j < 0 || i >= a.size(1) || j >= a.size(0)) continue;
        total += (1 - std::fabs(x - static_cast<double>(i))) *
                 (1 - std::fabs(y - static_cast<double>(j))) * a[j][i];
      }
    }
    return total;
  }

  test::Rgb color_at(double x, double y, double reach_x, double reach_y) const {
    test::Rgb rgb{};
    double weights = 0;
    const auto a = face_.accessor<double, 3>();
    for (auto j = static_cast<int64_t>(std::floor(y - 2 * reach_y)); j <= y + 2 * reach_y; ++j) {
      for (auto i = static_cast<int64_t>(std::floor(x - 2 * reach_x)); i <= x + 2 * reach_x; ++i) {
        const double weight = test::cubic((static_cast<double>(i) - x) / reach_x) *
                              test::cubic((static_cast<double>(j) - y) / reach_y);
        for (int c = 0; c < 3; ++c) rgb[c] += weight * clamped(a[c], i, j);
        weights += weight;
      }
    }
    for (auto& value : rgb) value /= weights;
    return rgb;
  }

 private:
  at::Tensor face_;
  at::Tensor mask_;
};

// Every byte is as it was but those that may be written.
template <typename MayBeWritten>
void expect_kept(const Picture& before, const Picture& after, const MayBeWritten& may_be_written) {
  const auto* was = before.bytes.const_data_ptr<uint8_t>();
  const auto* is = after.bytes.const_data_ptr<uint8_t>();
  for (int64_t b = 0; b < before.bytes.numel(); ++b) {
    if (was[b] != is[b] && !may_be_written(b)) ADD_FAILURE() << "byte " << b << " was changed";
  }
}

// Checks every sample of AFTER against the definition, and that all bytes but those of samples
// under the mask are BEFORE's. Returns how many samples the mask covers.
int64_t expect_definition(const Picture& before, const Picture& after, const at::Tensor& face,
                          const at::Tensor& mask, const Affine& map) {
  const GoldCrop crop(face, mask);
  const auto back = inverse(map);
  const auto& view = before.view;
  const int most = test::most_code(view.format);
  std::set<int64_t> written;
  for (int c = 0; c < 3; ++c) {
    const auto [pitch_x, pitch_y] = test::pitch(view, c);
    const double reach_x = std::max(1.0, std::hypot(back.xx * pitch_x, back.xy * pitch_y));
    const double reach_y = std::max(1.0, std::hypot(back.yx * pitch_x, back.yy * pitch_y));
    for (int y = 0; y < test::rows_of(view, c); ++y) {
      for (int x = 0; x < test::columns_of(view, c); ++x) {
        const auto at = test::place(view, c, x, y);
        const double u = back.xx * at[0] + back.xy * at[1] + back.x0;
        const double v = back.yx * at[0] + back.yy * at[1] + back.y0;
        const double weight = crop.weight_at(u, v);
        const int old = test::sample(view, c, x, y);
        if (weight <= 0) {
          EXPECT_EQ(test::sample(after.view, c, x, y), old);
          continue;
        }
        const auto bytes = test::sample_bytes(before, c, x, y);
        for (int64_t k = 0; k < bytes.count; ++k) written.insert(bytes.first + k);
        const auto code = test::to_code(view, crop.color_at(u, v, reach_x, reach_y));
        const double expected =
            std::clamp(old + weight * (code[c] - old), 0.0, static_cast<double>(most));
        EXPECT_NEAR(test::sample(after.view, c, x, y), expected, 0.5 + 2e-3)
            << "component " << c << " at " << x << ", " << y;
      }
    }
  }
  expect_kept(before, after, [&](int64_t byte) { return written.contains(byte); });
  return static_cast<int64_t>(written.size());
}

const Affine kMaps[] = {
    turned(1.3, 1.1, 0.3, 10, 4),     // coarser than the frame, inside it
    turned(0.7, 0.6, -0.4, 12, 14),   // finer
    turned(2.6, 2.4, 0.1, -15, -11),  // beyond all four borders
    turned(1.5, 1.2, 2.8, 55, 20),    // turned, beyond the right border
    turned(0.2, 0.25, 0.5, 20, 15),   // far finer
};

// Samples under the mask have the definition's value, rounded; every other byte of the memory is
// as it was: other samples, alpha, padding, and what lies between the planes.
TEST(PasteBack, WritesTheDefinitionUnderTheMaskAndNothingElse) {
  const auto face = at::rand({3, 18, 20}) * 1.2 - 0.1;
  const auto mask = at::rand({18, 20}).sub(0.2).clamp_min(0);
  size_t turn = 0;
  for (const auto& kind : all_kinds()) {
    SCOPED_TRACE(test::describe(kind));
    const auto before = paint(kind, busy_color);
    const auto& map = kMaps[turn++ % std::size(kMaps)];
    const auto after = pasted(before, face, mask, map);
    EXPECT_GT(expect_definition(before, after, face, mask, map), 0);
    if (testing::Test::HasFailure()) break;
  }
}

// Crops and pastes unchanged. Returns the largest difference of the samples; all bytes stay as they
// were but those of samples whose place in the crop lies under the mask.
int round_trip(const PictureKind& kind, const Affine& map, const WarpOptions& options) {
  constexpr int64_t kEdge = 56;
  const auto device = test::test_device();
  const auto before = paint(kind, test::smooth_color);
  const auto there = before.to(device);
  const auto crop = at::empty({3, kEdge, kEdge}, at::TensorOptions(at::kFloat).device(device));
  warp_crop(there.view, map, ValueRange::kSigned, crop, options);
  const auto mask = soft_mask(map, kEdge, kEdge);
  paste_back(crop, ValueRange::kSigned, mask.to(device), map, there.view);
  const auto after = there.to(at::kCPU);
  const GoldCrop gold(crop.cpu(), mask);
  const auto back = inverse(map);
  std::vector<bool> covered(before.bytes.numel());
  int worst = 0;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < test::rows_of(before.view, c); ++y) {
      for (int x = 0; x < test::columns_of(before.view, c); ++x) {
        worst = std::max(worst, std::abs(test::sample(after.view, c, x, y) -
                                         test::sample(before.view, c, x, y)));
        const auto at = test::place(before.view, c, x, y);
        const double weight = gold.weight_at(back.xx * at[0] + back.xy * at[1] + back.x0,
                                             back.yx * at[0] + back.yy * at[1] + back.y0);
        const auto bytes = test::sample_bytes(before, c, x, y);
        for (int64_t k = 0; k < bytes.count && weight > 0; ++k) covered[bytes.first + k] = true;
      }
    }
  }
  expect_kept(before, after, [&](int64_t byte) { return covered[byte]; });
  return worst;
}

// What was cropped and is pasted unchanged is what was there, within two levels under the mask and
// to the bit outside: the whole product of kinds of frames.
TEST(PasteBack, RoundTripStaysWithinTwoLevels) {
  for (auto kind : all_kinds()) {
    SCOPED_TRACE(test::describe(kind));
    kind.width += 40;
    kind.height += 40;
    EXPECT_LE(round_trip(kind, turned(0.9, 0.8, 0.2, 20, 10), {}), 2);
    if (testing::Test::HasFailure()) break;
  }
}

// The same for faces that lie partly outside the frame, on each of its sides, where the crop
// repeats the frame's edge.
TEST(PasteBack, RoundTripOfFacesPartlyOutside) {
  size_t turn = 0;
  const double corners[][2] = {{-15, -12}, {50, 20}, {20, 45}, {-20, 30}, {55, -20}};
  for (auto kind : all_kinds()) {
    SCOPED_TRACE(test::describe(kind));
    kind.width += 40;
    kind.height += 40;
    const auto& [x, y] = corners[turn++ % std::size(corners)];
    EXPECT_LE(round_trip(kind, turned(0.9, 0.8, 0.2, x, y), {.outside = Outside::kEdge}), 2);
    if (testing::Test::HasFailure()) break;
  }
}

// Signed and unit faces of the same colours give the same frame.
TEST(PasteBack, RangesAgree) {
  const auto before = paint({.format = PixelFormat::kI420, .width = 40, .height = 30}, busy_color);
  const auto face = at::rand({3, 16, 16});
  const auto mask = face[0].clone().fill_(1);
  const auto unit = pasted(before, face, mask, kMaps[0]);
  const auto twice = pasted(before, face * 2 - 1, mask, kMaps[0], ValueRange::kSigned);
  EXPECT_LE((unit.bytes.to(at::kInt) - twice.bytes.to(at::kInt)).abs().max().item<int>(), 1);
}

// The unused bits of 10-bit samples: not seen, kept where nothing is written, zero where something
// is; V210's are kept everywhere.
TEST(PasteBack, UnusedBitsOfTenBitSamples) {
  struct Unused {
    PixelFormat format;
    int64_t byte;  ///< of those that hold a sample
    int bits;
  };
  const auto face = at::rand({3, 12, 12});
  const auto mask = face[0].clone().fill_(0.6);
  const Affine map{.x0 = 10, .y0 = 10};
  for (const auto& [format, byte, bits] : {Unused{PixelFormat::kP010, 0, 0x3f},
                                           {PixelFormat::kI420Ten, 1, 0xfc},
                                           {PixelFormat::kI422Ten, 1, 0xfc},
                                           {PixelFormat::kY444Ten, 1, 0xfc},
                                           {PixelFormat::kGbrTen, 1, 0xfc}}) {
    SCOPED_TRACE(static_cast<int>(format));
    const auto clean = paint({.format = format, .width = 32, .height = 32}, busy_color);
    auto before = clean.to(at::kCPU);
    const auto at = [byte = byte](const Picture& p, int x, int y) -> uint8_t& {
      return p.bytes.mutable_data_ptr<uint8_t>()[test::sample_bytes(p, 0, x, y).first + byte];
    };
    for (const int x : {3, 15}) at(before, x, x) |= 0xaa & bits;
    const auto after = pasted(before, face, mask, map);
    const auto expected = pasted(clean, face, mask, map);
    EXPECT_EQ(test::sample(after.view, 0, 15, 15), test::sample(expected.view, 0, 15, 15));
    EXPECT_EQ(at(after, 15, 15) & bits, 0);
    EXPECT_EQ(at(after, 3, 3), at(before, 3, 3));
  }
}

// The two bits of V210's words that hold nothing are kept, and the values behind a row's last
// pixel.
TEST(PasteBack, KeepsWhatV210DoesNotUse) {
  const auto before = paint({.format = PixelFormat::kV210, .width = 31, .height = 20}, busy_color);
  const auto face = at::rand({3, 40, 40});
  const auto after = pasted(before, face, face[0].clone().fill_(1), {});
  EXPECT_FALSE(after.bytes.equal(before.bytes));
  const auto* was = before.bytes.const_data_ptr<uint8_t>();
  const auto* is = after.bytes.const_data_ptr<uint8_t>();
  const auto& plane = before.view.planes[0];
  const int64_t begin = plane.data - was;
  for (int64_t row = 0; row < 20; ++row) {
    const int64_t at = begin + row * plane.stride;
    // 31 pixels: 15 pairs and one luma value; the last words are Cb15 Y30 Cr15, Y31 ...
    for (int64_t word = at; word < at + plane.stride; word += 4) {
      EXPECT_EQ(was[word + 3] & 0xc0, is[word + 3] & 0xc0);
    }
    for (int64_t b = at + 5 * 16 + 4; b < at + plane.stride; ++b) EXPECT_EQ(was[b], is[b]);
  }
}

// A crop wholly outside the frame, or a mask of zeros or of no numbers, changes nothing.
TEST(PasteBack, NothingUnderTheMaskNothingWritten) {
  const auto before = paint({.format = PixelFormat::kNv12, .width = 33, .height = 21}, busy_color);
  const auto face = at::rand({3, 12, 12});
  const auto ones = face[0].clone().fill_(1);
  for (const double far : {-40.0, 60.0, 1e9, -1e9}) {
    EXPECT_TRUE(pasted(before, face, ones, {.x0 = far}).bytes.equal(before.bytes)) << far;
    EXPECT_TRUE(pasted(before, face, ones, {.y0 = far}).bytes.equal(before.bytes)) << far;
  }
  EXPECT_TRUE(pasted(before, face, ones * 0, {}).bytes.equal(before.bytes));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(pasted(before, face, ones * nan, {}).bytes.equal(before.bytes));
}

// Values that are not numbers never reach a conversion to whole numbers: they count as black.
TEST(PasteBack, NotANumberIsBlack) {
  const auto before = paint({.format = PixelFormat::kRgb, .width = 33, .height = 21}, busy_color);
  const auto face = at::rand({3, 12, 12}).fill_(std::numeric_limits<double>::quiet_NaN());
  const auto mask = at::rand({12, 12}).fill_(1);
  const auto black = pasted(before, at::rand({3, 12, 12}).fill_(0), mask, kMaps[0]);
  EXPECT_TRUE(pasted(before, face, mask, kMaps[0]).bytes.equal(black.bytes));
}

// The number of threads does not change a bit.
TEST(PasteBackDeterminism, ThreadsDoNotChangeTheResult) {
  const auto before = paint({.format = PixelFormat::kYuy2, .width = 150, .height = 90}, busy_color);
  const auto face = at::rand({3, 64, 64});
  const auto map = turned(1.1, 1.2, 0.2, 30, 5);
  const auto mask = soft_mask(map, 64, 64);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = pasted(before, face, mask, map);
  at::set_num_threads(2);
  const auto together = pasted(before, face, mask, map);
  at::set_num_threads(threads);
  EXPECT_TRUE(alone.bytes.equal(together.bytes));
}

// The mask is one inside, falls to nothing at the edge, never rises towards it, and is as wide in
// the frame whatever the crop's size.
TEST(SoftMask, FallsFromTheMiddleToNothing) {
  const auto mask = soft_mask({.xx = 1.616, .yy = 2}, 101, 125);  // 202 x 202: edge 10
  const auto a = mask.accessor<float, 2>();
  EXPECT_EQ(a[50][62], 1);
  EXPECT_EQ(a[12][15], 1);
  EXPECT_LT(a[0][62], 0.02);
  EXPECT_LT(a[50][0], 0.02);
  EXPECT_NEAR(a[5][62], 0.5, 1e-4);  // half at the eroded edge
  for (int i = 1; i < 50; ++i) EXPECT_GE(a[i][62], a[i - 1][62]);
  EXPECT_EQ(a[90][112], 1);
  EXPECT_LT(a[100][62], 0.02);
  EXPECT_LT(a[50][124], 0.02);
}

// Arguments that do not fit are refused before anything is written.
TEST(PasteBack_Negative, RefusesWhatDoesNotFit) {
  const auto picture = paint({.format = PixelFormat::kI420, .width = 32, .height = 32}, busy_color)
                           .to(test::test_device());
  const auto before = picture.bytes.clone();
  const auto face = at::rand({3, 8, 8}).to(test::test_device());
  const auto mask = at::rand({8, 8}).to(test::test_device());
  const auto refused = [](const at::Tensor& f, const at::Tensor& m, const Affine& map,
                          const ImageView& view) {
    EXPECT_THROW(paste_back(f, ValueRange::kUnit, m, map, view), c10::Error);
  };
  refused(face[0], mask, {}, picture.view);
  refused(face.slice(0, 0, 2), mask, {}, picture.view);
  refused(face.to(at::kHalf), mask, {}, picture.view);
  refused(face.transpose(1, 2), mask, {}, picture.view);
  refused(face.slice(1, 0, 0), mask.slice(0, 0, 0), {}, picture.view);
  refused(face, mask.slice(0, 0, 7).contiguous(), {}, picture.view);
  refused(face, mask.to(at::kDouble), {}, picture.view);
  refused(face, mask, {.xx = 0}, picture.view);
  refused(face, mask, {.xx = 0.01, .yy = 0.01}, picture.view);
  refused(face, mask, {.y0 = std::numeric_limits<double>::infinity()}, picture.view);
  auto broken = picture.view;
  broken.planes[2].stride = 3;
  refused(face, mask, {}, broken);
  auto elsewhere = picture.view;
  elsewhere.device = picture.view.device == kSystemMemory ? 0 : kSystemMemory;
  refused(face, mask, {}, elsewhere);
  EXPECT_TRUE(picture.bytes.equal(before));
  EXPECT_THROW(soft_mask({}, 0, 8), c10::Error);
  EXPECT_THROW(soft_mask({.xx = 0}, 8, 8), c10::Error);
}

}  // namespace
}  // namespace latentsync::kernels
