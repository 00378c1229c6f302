#include "gst/output/late_control.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

/// What is chosen for the windows of a live graph, in a simulation without threads: a window
/// becomes ready every kWindow, and its first frame is due when the reserve is over.
namespace latentsync {
namespace {

constexpr int64_t kFrame = 40'000'000;
constexpr int64_t kWindow = 16 * kFrame;

struct Counts {
  int windows = 0;
  double frames = 0;  ///< edited, in windows
  int begun = 0;
  int full = 0;  ///< with the wanted steps
  int changes = 0;
};

/// What a window takes with so many steps, at a time.
using Cost = std::function<int64_t(int64_t steps, int64_t now)>;

/// A fixed time and one for each step.
Cost cost(double fixed, double step) {
  return [=](int64_t steps, int64_t) {
    return static_cast<int64_t>((fixed + step * static_cast<double>(steps)) * kWindow);
  };
}

class Simulation {
 public:
  explicit Simulation(LatePolicy policy, double step_share = 1, int64_t render_latency = 0)
      : policy_(policy), share_(step_share) {
    control_.start(render_latency);
  }

  Counts run(int windows, const Cost& cost, int64_t wanted = 20) {
    Counts counts;
    for (int number = 0; number < windows; ++number, ready_ += kWindow) {
      ++counts.windows;
      const int64_t begin = std::max(ready_, idle_);
      const int64_t due = ready_ + control_.reserve(kWindow);
      const LateControl::Window window{policy_, wanted, kWindow, kFrame, 1, due - begin};
      const int64_t steps = control_.choose(window).steps;
      counts.changes += steps != last_;
      last_ = steps;
      if (steps == 0) continue;
      ++counts.begun;
      counts.full += steps == wanted;
      const int64_t end = begin + cost(steps, begin);
      const int64_t last_due = due + 15 * kFrame;
      if (end > last_due) {
        control_.given_up(window, steps, last_due - begin);
        idle_ = last_due;
        continue;
      }
      idle_ = end;
      const int64_t lost = std::max<int64_t>((end - due + kFrame - 1) / kFrame, 0);
      counts.frames += 1 - static_cast<double>(lost) / 16;
      control_.rendered(window, {steps, end - begin, share_}, lost == 0);
    }
    return counts;
  }

  LateControl& control() { return control_; }

 private:
  LateControl control_;
  LatePolicy policy_;
  double share_;
  int64_t ready_ = 0;
  int64_t idle_ = 0;
  int64_t last_ = 0;
};

// The steps go from the wanted ones over their half to four; fewer are halved once.
TEST(LateControl, HasLevels) {
  using Levels = std::vector<int64_t>;
  EXPECT_EQ(LateControl::levels(20), (Levels{20, 10, 4}));
  EXPECT_EQ(LateControl::levels(10), (Levels{10, 5, 4}));
  EXPECT_EQ(LateControl::levels(8), (Levels{8, 4}));
  EXPECT_EQ(LateControl::levels(2), (Levels{2, 1}));
  EXPECT_EQ(LateControl::levels(1), (Levels{1}));
}

// An engine that is fast enough gets all steps, and no more time than half a window.
TEST(LateControl, LeavesAFastEngineAlone) {
  for (const LatePolicy policy : {LatePolicy::kDegrade, LatePolicy::kPassThrough}) {
    Simulation simulation(policy);
    const Counts counts = simulation.run(1000, cost(0, 0.4 / 20));
    EXPECT_EQ(counts.full, 1000);
    EXPECT_EQ(counts.frames, 1000);
    EXPECT_EQ(simulation.control().reserve(kWindow), kWindow / 2);
  }
}

// One that needs nearly all of a window's time gets it, and nothing is degraded.
TEST(LateControl, ReservesWhatIsMeasured) {
  Simulation simulation(LatePolicy::kDegrade);
  const Counts counts = simulation.run(1000, cost(0, 0.8 / 20));
  EXPECT_EQ(counts.full, 1000);
  EXPECT_GT(counts.frames, 998);
  EXPECT_GE(simulation.control().reserve(kWindow), kWindow * 8 / 10);
  EXPECT_LE(simulation.control().reserve(kWindow), kWindow * 9 / 10);
}

// Slower than that: as many steps as there is time for, and every frame is edited.
TEST(LateControl, DegradesASlowEngine) {
  for (const auto& [time, steps] : {std::pair(1.1, 10), std::pair(1.7, 10), std::pair(4.0, 4)}) {
    Simulation simulation(LatePolicy::kDegrade);
    simulation.run(20, cost(0, time / 20));
    const Counts counts = simulation.run(100, [&](int64_t chosen, int64_t) {
      EXPECT_EQ(chosen, steps);
      return static_cast<int64_t>(time / 20 * static_cast<double>(chosen) * kWindow);
    });
    EXPECT_EQ(counts.frames, 100);
    EXPECT_LE(simulation.control().reserve(kWindow), kWindow);
  }
}

// A window of one frame, as a source that is gone leaves it or one that comes back begins with,
// takes as long as a full one: the windows after it are begun all the same.
TEST(LateControl, AShortWindowIsNoMeasureOfAFullOne) {
  for (const LatePolicy policy : {LatePolicy::kDegrade, LatePolicy::kPassThrough}) {
    LateControl control;
    control.start(0);
    LateControl::Window window{policy, 20, kWindow, kFrame, 1, kWindow};
    for (int i = 0; i < 4; ++i) control.rendered(window, {20, kWindow * 9 / 10}, true);
    window.part = 1.0 / 16;
    for (int i = 0; i < 3; ++i) control.rendered(window, {20, kWindow * 9 / 10}, true);
    window.part = 1;
    EXPECT_EQ(control.choose(window).steps, 20);
  }
}

// Fewer steps that would gain nothing are no way out, and pass-through has none: with 10 % and
// 100 % too slow ten windows of eleven and every second one are made.
TEST(LateControl, LeavesWindowsOutWhereNothingElseHelps) {
  for (const LatePolicy policy : {LatePolicy::kDegrade, LatePolicy::kPassThrough}) {
    for (const auto& [time, part] :
         {std::pair(1.1, 0.85), std::pair(1.3, 0.7), std::pair(2.0, 0.45), std::pair(2.05, 0.35)}) {
      SCOPED_TRACE(time);
      Simulation simulation(policy, 0);
      simulation.run(20, cost(time, 0));
      const Counts counts = simulation.run(940, cost(time, 0));
      EXPECT_GE(counts.frames, part * 940);
      EXPECT_EQ(counts.full, counts.begun);
      EXPECT_EQ(simulation.control().reserve(kWindow), 2 * kWindow);
    }
  }
}

// Far too slow: one window of eleven is tried, and when the engine is fast again it is seen.
TEST(LateControl, TriesAgain) {
  Simulation simulation(LatePolicy::kDegrade);
  simulation.run(20, cost(5, 0.1));
  const Counts slow = simulation.run(110, cost(5, 0.1));
  EXPECT_EQ(slow.frames, 0);
  EXPECT_LE(slow.begun, 12);
  EXPECT_GE(slow.begun, 5);
  const Counts fast = simulation.run(100, cost(0.1, 0.01));
  EXPECT_GE(fast.frames, 80);
  EXPECT_GE(fast.full, 60);
}

// Steps come back one level at a time, after ten windows in time each.
TEST(LateControl, GoesUpByOneLevelAfterTenWindowsInTime) {
  Simulation simulation(LatePolicy::kDegrade);
  simulation.run(30, cost(0, 3.5 / 20));
  std::vector<int64_t> steps;
  simulation.run(30, [&](int64_t chosen, int64_t) {
    steps.push_back(chosen);
    return static_cast<int64_t>(0.2 / 20 * static_cast<double>(chosen) * kWindow);
  });
  EXPECT_EQ(steps.front(), 4);
  EXPECT_EQ(steps.back(), 20);
  EXPECT_GE(std::count(steps.begin(), steps.end(), 10), 10);
}

// With a given render-latency nothing is measured for it.
TEST(LateControl, KeepsAGivenRenderLatency) {
  Simulation simulation(LatePolicy::kDegrade, 1, kWindow * 3 / 4);
  simulation.run(10, cost(0, 0.9 / 20));
  const Counts counts = simulation.run(100, cost(0, 0.9 / 20));
  EXPECT_EQ(simulation.control().reserve(kWindow), kWindow * 3 / 4);
  EXPECT_EQ(counts.full, 0);
  EXPECT_EQ(counts.frames, 100);
}

// wait: all steps, always.
TEST(LateControl, WaitsWhereItIsTold) {
  Simulation simulation(LatePolicy::kWait);
  EXPECT_EQ(simulation.run(100, cost(0, 1.5 / 20)).full, 100);
}

// A first window that warms the device up is no measure.
TEST(LateControl, DoesNotMeasureTheFirstWindow) {
  Simulation simulation(LatePolicy::kDegrade);
  int count = 0;
  const Counts counts = simulation.run(
      100, [&](int64_t, int64_t) { return count++ == 0 ? 5 * kWindow : kWindow * 3 / 10; });
  EXPECT_EQ(counts.full, counts.begun);
  EXPECT_EQ(simulation.control().reserve(kWindow), kWindow / 2);
}

}  // namespace
}  // namespace latentsync
