#include "core/lipsync/renderer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <gtest/gtest.h>

namespace latentsync::lipsync {
namespace {

class Mask : public testing::TestWithParam<int64_t> {};

// Not a single pixel that stays whole is touched, whatever the rounding.
TEST_P(Mask, NothingThatStaysIsWritten) {
  const auto mask = FaceMask::make(GetParam(), c10::kCPU);
  EXPECT_EQ((mask.blend * (mask.keep == 1)).max().item<float>(), 0);
  EXPECT_GE(mask.blend.min().item<float>(), 0);
  EXPECT_LE(mask.blend.max().item<float>(), 1);
}

// The mouth is written wholly: the middle of the lower half.
TEST_P(Mask, TheMouthIsWrittenWholly) {
  const auto edge = GetParam();
  const auto mouth = FaceMask::make(edge, c10::kCPU)
                         .blend.narrow(0, edge * 5 / 8, edge / 8)
                         .narrow(1, edge * 3 / 8, edge / 4);
  EXPECT_NEAR(mouth.min().item<float>(), 1, 1e-6);
}

// No step from a pixel to the next that an eye would follow as a line.
TEST_P(Mask, ItFadesIn) {
  const auto edge = GetParam();
  const auto blend = FaceMask::make(edge, c10::kCPU).blend;
  const auto step = [&](int64_t along) {
    return (blend.narrow(along, 1, edge - 1) - blend.narrow(along, 0, edge - 1))
        .abs()
        .max()
        .item<float>();
  };
  EXPECT_LT(step(0), edge < 128 ? 0.5 : 0.35);
  EXPECT_LT(step(1), edge < 128 ? 0.5 : 0.35);
}

INSTANTIATE_TEST_SUITE_P(Edges, Mask, testing::Values(64, 128, 256, 512));

}  // namespace
}  // namespace latentsync::lipsync
