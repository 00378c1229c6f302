#include "core/device/stage_clock.h"

#include "core/device/executor.h"
#include "core/device/fence.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

using namespace std::chrono_literals;

// A stage's result comes back, and collect() adds its time to what is there, once.
TEST(DeviceStageClock, TimesAreAdded) {
  StageClock clock(c10::kCPU);
  double seconds = 100, other = 0;
  const auto result = clock.timed(seconds, [] {
    std::this_thread::sleep_for(10ms);
    return std::make_unique<int>(7);
  });
  EXPECT_EQ(*result, 7);
  clock.timed(seconds, [] { std::this_thread::sleep_for(10ms); });
  clock.timed(other, [] {});
  EXPECT_EQ(seconds, 100);
  clock.collect();
  EXPECT_GE(seconds, 100.02);
  EXPECT_LT(other, 0.01);
  const double before = seconds;
  clock.collect();
  EXPECT_EQ(seconds, before);
}

// The time of a stage that fails is lost, and the clock goes on.
TEST(DeviceStageClock, AFailingStageIsNotCounted) {
  StageClock clock(c10::kCPU);
  double seconds = 0;
  EXPECT_THROW(clock.timed(seconds, [] { throw std::runtime_error("no"); }), std::runtime_error);
  clock.collect();
  EXPECT_EQ(seconds, 0);
}

// Stages may be measured in tasks of an executor and collected by their client.
TEST(DeviceStageClock, TasksAreMeasured) {
  StageClock clock(c10::kCPU);
  double seconds = 0;
  Executor::of(c10::kCPU).run(
      {}, [&] { clock.timed(seconds, [] { std::this_thread::sleep_for(5ms); }); });
  clock.collect();
  EXPECT_GE(seconds, 0.005);
}

// On a CPU there is nothing to wait for, and the exception goes its way.
TEST(DeviceFence, ItLetsExceptionsThrough) {
  const auto fail = [] {
    const UnwindingFence fence(c10::kCPU);
    throw std::runtime_error("no");
  };
  EXPECT_THROW(fail(), std::runtime_error);
}

}  // namespace
}  // namespace latentsync::device
