#include "core/error.h"
#include "examples/train/morph.h"

#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

constexpr int64_t kSide = 128;

struct Spot {
  double x = 0, y = 0;
};

// A grey face with four lip points, the last two of them bright spots, in each of FRAMES frames.
Clip spotted(int64_t frames, Spot upper, Spot lower, int grey) {
  Clip clip;
  clip.name = clip.speaker = std::to_string(grey);
  clip.crops = at::full({frames, kSide, kSide, 3}, grey, at::kByte);
  const auto x = static_cast<float>(upper.x), y = static_cast<float>((upper.y + lower.y) / 2);
  const std::vector<float> lips = {
      x - 24, y, x + 24, y, x, static_cast<float>(upper.y), x, static_cast<float>(lower.y)};
  clip.lips = at::tensor(lips).view({1, 4, 2}).repeat({frames, 1, 1});
  for (const auto& spot : {upper, lower}) {
    const auto column = static_cast<int64_t>(spot.x), row = static_cast<int64_t>(spot.y);
    clip.crops.slice(1, row - 1, row + 2).slice(2, column - 2, column + 3).fill_(grey + 100);
  }
  clip.mouth = at::randn({frames, Clip::kMouthValues});
  return clip;
}

// Where a frame is bright between two rows, as rows, and by how much at most.
struct Found {
  double row = 0, height = 0;
};
Found brightest(const at::Tensor& frame, double column, int64_t from, int64_t to, double grey) {
  const auto middle = static_cast<int64_t>(column);
  const auto part =
      frame.slice(0, from, to).slice(1, middle - 1, middle + 2).to(at::kFloat).mean({1, 2}) - grey;
  const auto bright = part * (part > part.max() * 0.3).to(at::kFloat);
  const auto rows = at::arange(from, to, at::kFloat);
  return {((bright * rows).sum() / bright.sum()).item<double>(), part.max().item<double>()};
}

// Between two faces, and beyond one of them, the lips are between theirs, or beyond, and the
// picture of both is where the lips are.
TEST(TrainMorph, BothPicturesFollowTheLips) {
  const auto one = spotted(1, {60, 70}, {60, 90}, 60);
  const auto another = spotted(1, {66, 76}, {66, 88}, 100);
  for (const double share : {-0.25, 0.0, 0.5, 1.0}) {
    const auto made = morphed(one, {0}, another, share, at::kCPU);
    const auto at = [&](double from, double to) { return from + share * (to - from); };
    const auto lips = made.lips[0];
    EXPECT_NEAR(lips[2][0].item<double>(), at(60, 66), 1e-3);
    EXPECT_NEAR(lips[2][1].item<double>(), at(70, 76), 1e-3);
    EXPECT_NEAR(lips[3][1].item<double>(), at(90, 88), 1e-3);
    const double grey = made.crops[0][4][4][0].item<double>();
    EXPECT_NEAR(grey, at(60, 100), 1) << "far from the mouth";
    const auto upper = brightest(made.crops[0], at(60, 66), 60, 80, grey);
    const auto lower = brightest(made.crops[0], at(60, 66), 81, 105, grey);
    EXPECT_NEAR(upper.row, at(70, 76), 0.7) << share;
    EXPECT_NEAR(lower.row, at(90, 88), 0.7) << share;
    EXPECT_GT(upper.height, 60) << "the two do not cover each other: " << share;
    EXPECT_GT(lower.height, 60) << share;
  }
}

// What is taken of the other clip are the frames whose mouths are nearest; the mouth stays ONE's.
TEST(TrainMorph, TheNearestMouthIsTaken) {
  auto one = spotted(3, {60, 70}, {60, 90}, 60), another = spotted(4, {60, 70}, {60, 90}, 60);
  for (int64_t frame = 0; frame < 4; ++frame) another.crops[frame].fill_(50 * frame);
  another.mouth = at::arange(4, at::kFloat).view({4, 1}).expand({4, Clip::kMouthValues});
  one.mouth = at::tensor({2.2, -5.0, 0.9}, at::kFloat).view({3, 1}).expand_as(one.mouth);
  const auto made = morphed(one, {0, 2}, another, 1, at::kCPU);
  ASSERT_EQ(made.frames(), 2);
  EXPECT_EQ(made.crops[0][9][9][0].item<int>(), 100);
  EXPECT_EQ(made.crops[1][9][9][0].item<int>(), 50);
  EXPECT_FLOAT_EQ(made.mouth[1][0].item<float>(), 0.9F);
}

// Nothing of another: the clip's own frames, bit for bit.
TEST(TrainMorph, NoShareChangesNothing) {
  auto one = spotted(5, {60, 70}, {60, 90}, 60);
  one.crops = at::rand({5, kSide, kSide, 3}).mul(255).to(at::kByte);
  const auto another = spotted(2, {64, 80}, {64, 99}, 150);
  const auto made = morphed(one, {1, 3}, another, 0, at::kCPU);
  EXPECT_TRUE(made.crops.equal(at::cat({one.crops.narrow(0, 1, 1), one.crops.narrow(0, 3, 1)})));
  EXPECT_TRUE(made.lips.equal(one.lips.narrow(0, 0, 2)));
}

TEST(TrainMorph, OtherLandmarksAreRefused) {
  const auto one = spotted(1, {60, 70}, {60, 90}, 60);
  auto another = one;
  another.lips = one.lips.slice(1, 0, 3);
  try {
    morphed(one, {0}, another, 0.5, at::kCPU);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace latentsync::train
