#include "tests/memory/plan_check.h"
#include "tests/memory/small_model.h"

#include <gtest/gtest.h>

namespace latentsync::memory {
namespace {

// Five budgets and more, each with a rung of its own; real-size-tests has the same at the published
// size.
TEST(PlanAgainstMeasurement, HoldsForEachRung) {
  auto input = test::small_input();
  input.settings.resolution = 128;
  test::check_plan(test::small_configs(), input, 5);
}

}  // namespace
}  // namespace latentsync::memory
