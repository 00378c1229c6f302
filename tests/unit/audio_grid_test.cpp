#include "core/audio/feature_grid.h"
#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::audio {
namespace {

struct Rate {
  int64_t numerator, denominator;
};

class RowsOfRate : public testing::TestWithParam<Rate> {};

// Over two hours of frames, timestamps truncated to nanoseconds, and one nanosecond short of that,
// give the row that exact arithmetic gives.
TEST_P(RowsOfRate, EqualExactArithmetic) {
  const auto [numerator, denominator] = GetParam();
  const int64_t frames = 7200 * numerator / denominator;
  for (int64_t i = 0; i < frames; ++i) {
    const int64_t exact = i * 50 * denominator / numerator;
    const int64_t time = i * denominator * 1'000'000'000 / numerator;
    ASSERT_EQ(row_at(time), exact) << "frame " << i;
    ASSERT_EQ(row_at(time - 1), exact) << "frame " << i << ", 1 ns early";
  }
}

INSTANTIATE_TEST_SUITE_P(Rates, RowsOfRate,
                         testing::Values(Rate{25, 1}, Rate{30, 1}, Rate{24, 1}, Rate{60, 1},
                                         Rate{24000, 1001}, Rate{30000, 1001}, Rate{60000, 1001},
                                         Rate{50, 1}, Rate{15, 1}));

// Times before the audio have rows before 0, by the same rounding.
TEST(FeatureRows, BeforeTheBeginning) {
  EXPECT_EQ(row_at(-1), 0);
  EXPECT_EQ(row_at(-1'000'000), -1);
  EXPECT_EQ(row_at(-20'000'000), -1);
  EXPECT_EQ(row_at(-20'002'000), -2);
}

// Frames with milliseconds as timestamps and uneven gaps are sliced by their time.
TEST(FeatureRows, VariableRate) {
  EXPECT_EQ(first_row_of_frame(0), -4);
  EXPECT_EQ(first_row_of_frame(33'000'000), -3);
  EXPECT_EQ(first_row_of_frame(67'000'000), -1);
  EXPECT_EQ(first_row_of_frame(1'019'000'000), 46);
  EXPECT_EQ(first_row_of_frame(1'020'000'000), 47);
}

class Shares : public testing::TestWithParam<std::optional<int64_t>> {};

// Every row comes from blocks that hold it, with weights that add up to 1; from row to row no
// block's weight changes by more than a step of the fade, up to where the last block ends.
TEST_P(Shares, AreContinuous) {
  const auto grid = BlockGrid::overlapping(1500);
  const auto total = GetParam();
  const auto weight_of = [&](int64_t row, int64_t block) {
    float weight = 0;
    for (const auto& share : grid.shares(row, total)) {
      if (share.block == block) weight += share.weight;
    }
    return weight;
  };
  for (int64_t row = 0; row < total.value_or(8000); ++row) {
    float sum = 0;
    for (const auto& share : grid.shares(row, total)) {
      sum += share.weight;
      if (share.weight == 0) continue;
      ASSERT_GE(row, share.block * grid.hop);
      ASSERT_LT(row, share.block * grid.hop + grid.rows);
      if (row == 0) continue;
      ASSERT_LE(std::abs(weight_of(row - 1, share.block) - share.weight), 1.01F / (grid.fade + 1));
    }
    ASSERT_NEAR(sum, 1, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Totals, Shares,
                         testing::Values(std::nullopt, 1, 1499, 1500, 1501, 2250, 2251, 7000));

// Audio of up to one block is one block, as in the reference; behind its end the grid goes on.
TEST(BlockGrid, ShortAudioIsOneBlock) {
  const auto grid = BlockGrid::overlapping(1500);
  for (int64_t row = 0; row < 1500; ++row) {
    const auto shares = grid.shares(row, 1500);
    ASSERT_EQ(shares[0].block, 0);
    ASSERT_EQ(shares[0].weight, 1);
  }
  EXPECT_GT(grid.shares(1500, 1500)[0].block, 0);
}

// The reference's grid cuts hard at every block.
TEST(BlockGrid, Cuts) {
  const auto grid = BlockGrid::cuts(1500);
  for (const int64_t row : {0, 1499, 1500, 2999, 3000}) {
    EXPECT_EQ(grid.shares(row, 7000)[0].block, row / 1500);
    EXPECT_EQ(grid.shares(row, 7000)[0].weight, 1);
  }
}

// No frame is a mistake of the caller, told as such.
TEST(SliceFrames, NeedsAFrame) {
  try {
    slice_frames(BlockGrid::cuts(4), {}, 4, true, [](int64_t) { return at::Tensor(); });
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace latentsync::audio
