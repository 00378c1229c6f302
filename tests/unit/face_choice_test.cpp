#include "core/face/appearance.h"
#include "core/face/choice.h"
#include "core/face/plausibility.h"

#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::face {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> lefts(const std::vector<Detection>& faces) {
  std::vector<double> result;
  for (const auto& face : faces) result.push_back(face.box.left);
  return result;
}

// By size the largest comes first, by place the nearest middle; equals keep the detector's order.
TEST(FaceChoice, OrdersByPreference) {
  const std::vector<Detection> faces = {{.score = 0.9, .box = {100, 100, 50, 50}},
                                        {.score = 0.8, .box = {10, 10, 80, 80}},
                                        {.score = 0.7, .box = {300, 100, 50, 50}}};
  using Order = std::vector<double>;
  EXPECT_EQ(lefts(by_preference(faces, FaceSelect::kLargest, {})), (Order{10, 100, 300}));
  EXPECT_EQ(lefts(by_preference(faces, FaceSelect::kAll, {})), (Order{10, 100, 300}));
  EXPECT_EQ(lefts(by_preference(faces, FaceSelect::kCenter, {300, 100})), (Order{300, 100, 10}));
  EXPECT_EQ(lefts(by_preference(faces, FaceSelect::kNearest, {0, 0})), (Order{10, 100, 300}));
  EXPECT_TRUE(by_preference({}, FaceSelect::kNearest, {0, 0}).empty());
}

// The reference's limits hold to the pixel, and no number is within them.
TEST(FacePlausibility, LimitsAreTheReferences) {
  EXPECT_TRUE(is_plausible({0, 0, 50, 80}, 0.5));
  EXPECT_FALSE(is_plausible({0, 0, 49.9, 80}, 1));
  EXPECT_FALSE(is_plausible({0, 0, 50, 79.9}, 1));
  EXPECT_FALSE(is_plausible({0, 0, 50, 80}, 0.499));
  EXPECT_TRUE(is_plausible({0, 0, 150, 100}, 1));
  EXPECT_FALSE(is_plausible({0, 0, 151, 100}, 1));
  EXPECT_TRUE(is_plausible({0, 0, 60, 300}, 1));
  EXPECT_FALSE(is_plausible({0, 0, 60, 301}, 1));
  EXPECT_FALSE(is_plausible({0, 0, kNan, 100}, 1));
  EXPECT_FALSE(is_plausible({0, 0, 100, kNan}, 1));
  EXPECT_FALSE(is_plausible({0, 0, 100, 100}, kNan));
}

// A picture [1, 3, size, size] that grows brighter to the right.
at::Tensor slope(int64_t size) {
  return (at::arange(size) / static_cast<double>(size)).to(at::kFloat).expand({1, 3, size, size});
}

// The same picture at another size is no cut, a darker, a mirrored, an even one and one without
// numbers is.
TEST(FaceAppearance, TellsCuts) {
  const auto before = appearance_of(slope(192));
  EXPECT_FALSE(is_cut(before, appearance_of(slope(48))));
  EXPECT_NEAR(likeness(before, appearance_of(slope(48))), 1, 1e-3);
  EXPECT_FALSE(is_cut(before, appearance_of(slope(192) * 0.9)));
  EXPECT_TRUE(is_cut(before, appearance_of(slope(192) * 0.4)));
  EXPECT_TRUE(is_cut(before, appearance_of(slope(192).flip(3))));
  EXPECT_TRUE(is_cut(before, appearance_of(at::full({1, 3, 48, 48}, 0.5))));
  EXPECT_TRUE(is_cut(before, appearance_of(at::full({1, 3, 48, 48}, kNan))));
}

// A whole frame's appearance is that of the picture without what lies beside it, whatever its
// shape.
TEST(FaceAppearance, IsOfTheWholeFrame) {
  for (const auto& [width, height] : {std::pair(640, 90), std::pair(90, 640), std::pair(1, 1)}) {
    auto picture = at::zeros({3, height, width});
    picture += at::arange(width) / static_cast<double>(width);
    const auto values = appearance_of(TensorSampler(picture))[0][0];
    EXPECT_LT(values[6][0].item<double>(), width > 1 ? 0.1 : 1);
    EXPECT_GT(values[6][11].item<double>(), width > 1 ? 0.9 : -1);
  }
}

}  // namespace
}  // namespace latentsync::face
