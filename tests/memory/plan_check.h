#pragma once

#include "core/memory/plan.h"

#include <cstddef>

namespace latentsync::test {

/// Renders a window at each rung that INPUT's budgets can choose, with random weights that are not
/// packed, so that layers do what they do on a GPU. Fails the test unless the plan is no less than
/// the measured peak and no more than 15 % above it at each of them, at least
/// LEAST_RUNGS are chosen, and the images of all whole windows agree. INPUT: a model on a CPU in
/// float32. Prints a line for each rung.
void check_plan(const memory::NetworkConfigs& configs, memory::PlanInput input, size_t least_rungs);

}  // namespace latentsync::test
