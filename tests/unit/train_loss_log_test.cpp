#include "examples/train/loss_log.h"
#include "tests/support/temporary_folder.h"

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

// A run that goes on has the curves of what was before, and new points after them.
TEST(TrainLossLog, GoesOn) {
  const test::TemporaryFolder folder;
  const auto points = [&] {
    std::ifstream file(folder / "losses.csv");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  };
  LossLog first(folder / "", /*goes_on=*/true);  // of nothing
  first.mark("noise", 15, 0.5);
  first.mark("critic", 15, 2);
  first.mark("critic", 30, 1);
  first.write();
  LossLog second(folder / "", /*goes_on=*/true);
  second.mark("critic", 45, 0.5);
  second.write();
  EXPECT_EQ(points(), (std::vector<std::string>{"critic,15,2", "critic,30,1", "critic,45,0.5",
                                                "noise,15,0.5"}));
  LossLog(folder / "", /*goes_on=*/false).write();
  EXPECT_TRUE(points().empty());
}

// Any curve has a chart: of times that go back, of losses that are 0 or no numbers.
TEST(TrainChart, TakesAnyCurve) {
  const auto dots = [](const at::Tensor& chart) {
    return (chart.select(2, 0) != 255).sum().item<int64_t>();
  };
  const auto falling = chart({{0, 1, 2, 3}, {8, 4, 2, 1}}, 64, 32);
  EXPECT_NE(falling[0][0][0].item<int>(), 255);
  EXPECT_NE(falling[31][62][0].item<int>(), 255);
  EXPECT_EQ(falling[31][0][0].item<int>(), 255);
  EXPECT_GT(dots(chart({{600, 630, 15}, {1, 2, 3}}, 64, 32)), 0);
  EXPECT_GT(dots(chart({{1, 2, 3, 4}, {0, 0.5, NAN, 0.7}}, 64, 32)), 0);
  EXPECT_GT(dots(chart({{1, 2}, {3, 3}}, 64, 32)), 0);
  EXPECT_EQ(dots(chart({{1}, {3}}, 64, 32)), 0);
  EXPECT_EQ(dots(chart({{1, 2}, {0, -1}}, 64, 32)), 0);
}

}  // namespace
}  // namespace latentsync::train
