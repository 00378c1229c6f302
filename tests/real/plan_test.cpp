#include "tests/memory/plan_check.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// At the published size and 256 x 256, a short window: the plan is no less than what is measured,
// and no more than 15 % above it. Takes minutes and 7 GB.
TEST(RealSizePlan, HoldsForEachRung) {
  memory::PlanInput input{.device = "cpu", .precision = "float32"};
  input.settings.resolution = 256;
  input.settings.inference_steps = 2;
  input.settings.feature_cache = 2;
  input.window_frames = 4;
  input.width = 640;
  input.height = 360;
  check_plan({.vae = nn::AutoencoderKLConfig{}}, input, 4);
}

}  // namespace
}  // namespace latentsync::test
