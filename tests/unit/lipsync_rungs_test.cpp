#include "core/lipsync/device_sessions.h"
#include "core/lipsync/device_work.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/rung_choice.h"
#include "core/lipsync/rungs.h"

#include <functional>
#include <memory>
#include <new>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

MemoryPlan plan_of(int rungs, int64_t chosen = 0) {
  MemoryPlan plan{.chosen = chosen};
  for (int i = 0; i < rungs; ++i) {
    plan.ladder.push_back({.rung = {.name = "rung " + std::to_string(i)}});
  }
  return plan;
}

// What fails for want of the device's memory; holds what its maker made.
class NoDeviceMemory : public c10::OutOfMemoryError {
 public:
  explicit NoDeviceMemory(std::shared_ptr<int> held)
      : c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "CUDA out of memory."),
        held_(std::move(held)) {}

 private:
  std::shared_ptr<int> held_;
};

class DeviceWorkTest : public testing::Test {
 protected:
  lipsync::DeviceShare share_{c10::kCPU, {.plan = plan_of(3)}};
  lipsync::Rungs& rungs_ = share_.rungs();
  lipsync::DeviceWork work_{share_, {}, {}};
};

// The rung in force is the chosen one and goes down one by one; who failed on a rung that is not in
// force any more takes the one that is.
TEST(Rungs, GoDownOneByOne) {
  lipsync::Rungs rungs(plan_of(4, 1));
  EXPECT_EQ(rungs.current().rung.name, "rung 1");
  EXPECT_TRUE(rungs.go_below(1));
  EXPECT_EQ(rungs.current().index, 2u);
  EXPECT_TRUE(rungs.go_below(1));
  EXPECT_EQ(rungs.current().index, 2u);
  EXPECT_EQ(rungs.plan().rung().rung.name, "rung 2");
  EXPECT_TRUE(rungs.go_below(2));
  EXPECT_FALSE(rungs.go_below(3));
  EXPECT_EQ(rungs.current().index, 3u);
}

// Where the device's memory runs out, the same work is done again with the next rung, which stays
// in force, when all that the attempt made is gone.
TEST_F(DeviceWorkTest, TriesAgainOneRungLower) {
  const auto held = std::make_shared<int>(0);
  std::vector<std::string> names;
  const auto result = work_.at_rung([&](const Rung& rung) {
    EXPECT_EQ(held.use_count(), 1) << "the failed attempt still holds something";
    names.push_back(rung.name);
    if (names.size() < 3) throw NoDeviceMemory(held);
    return 7;
  });
  EXPECT_EQ(result, 7);
  EXPECT_EQ(names, (std::vector<std::string>{"rung 0", "rung 1", "rung 2"}));
  EXPECT_EQ(rungs_.current().index, 2u);
}

// Below the last rung it is an error; so is whatever no rung can help.
TEST_F(DeviceWorkTest, NothingElseIsTriedAgain) {
  int attempts = 0;
  const auto code_of = [&](auto&& fail) {
    try {
      work_.at_rung([&](const Rung&) -> int {
        ++attempts;
        fail();
        return 0;
      });
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code_of([] { throw Error(ErrorCode::kCancelled, "x"); }), ErrorCode::kCancelled);
  EXPECT_EQ(attempts, 1);
  // Without a shortage it is a bug of ours.
  const auto engine = [] { TORCH_CHECK(false, "unable to find an engine to execute this"); };
  EXPECT_EQ(code_of(engine), ErrorCode::kInternal);
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(rungs_.current().index, 0u);
  EXPECT_EQ(code_of([] { throw NoDeviceMemory({}); }), ErrorCode::kOutOfMemory);
  EXPECT_EQ(attempts, 5);
}

// The memory of a CPU is the machine's, that of another device is not.
TEST_F(DeviceWorkTest, TheMachinesMemoryIsThatOfACpu) {
  const std::function<void()> faults[] = {
      [] { throw std::bad_alloc(); },
      [] { TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory: you tried to …"); }};
  for (const auto& fault : faults) {
    const auto begin = rungs_.current().index;
    work_.at_rung([&](const Rung&) {
      if (rungs_.current().index == begin) fault();
      return 0;
    });
    EXPECT_EQ(rungs_.current().index, begin + 1);
    try {
      fault();
    } catch (...) {
      const auto beside = lipsync::current_device_failure({c10::kCUDA, 0}, 0);
      EXPECT_EQ(beside.failure.code, ErrorCode::kOutOfMemory);
      EXPECT_FALSE(beside.out_of_device_memory);
    }
  }
}

// What an account refuses is memory of the device on a CPU: the next rung may need less. Work
// beside the device's is charged, too.
TEST_F(DeviceWorkTest, TriesAgainWhereTheAccountIsFull) {
  lipsync::DeviceShare share(c10::kCPU, {.plan = plan_of(3), .account_limit = 1 << 20});
  const lipsync::DeviceWork work(share, {}, {});
  double seconds = 0;
  const auto bytes = work.at_rung([&](const Rung& rung) {
    const int64_t size = rung.name == "rung 2" ? 1 << 18 : 1 << 21;
    return work.task(seconds, [&] { return at::empty({size}, at::kByte); });
  });
  EXPECT_EQ(bytes.numel(), 1 << 18);
  EXPECT_EQ(share.rungs().current().index, 2u);
  EXPECT_EQ(share.account()->live(), 1 << 18);
  EXPECT_THROW(work.beside(seconds, [&] { return at::empty({1 << 20}, at::kByte); }), c10::Error);
}

// Down at once, when the rung does not fit any more; up after ten windows in a row that had room,
// no higher than all of them had.
TEST(RungChoice, FollowsTheFreeMemory) {
  const std::vector<int64_t> needs = {100, 80, 60, 40};
  lipsync::RungChoice choice;
  EXPECT_EQ(lipsync::next_choice(choice, needs, 100).index, 0u);
  EXPECT_EQ(lipsync::next_choice(choice, needs, 99).index, 1u);
  EXPECT_EQ(lipsync::next_choice(choice, needs, 10).index, 3u) << "the last, if none fits";
  choice.index = 3;
  for (int window = 1; window < lipsync::kRoomyWindows; ++window) {
    choice = lipsync::next_choice(choice, needs, window == 4 ? 85 : 120);
    EXPECT_EQ(choice.index, 3u) << window;
  }
  EXPECT_EQ(lipsync::next_choice(choice, needs, 120).index, 1u);
  EXPECT_EQ(lipsync::next_choice(choice, needs, 50), lipsync::RungChoice{.index = 3})
      << "a window without room is counted from";
  choice = lipsync::next_choice(choice, needs, 50);
  choice = lipsync::next_choice(choice, needs, 120);
  EXPECT_EQ(choice.roomy_windows, 1);
}

// A rung on which memory ran out is not taken again with the same memory, whatever the plan says.
TEST(Rungs, DoNotGoUpToWhatHasFailed) {
  auto plan = plan_of(3);
  for (auto& rung : plan.ladder) rung.peak = 10;
  lipsync::Rungs rungs(plan);
  rungs.begin_window(100);
  EXPECT_TRUE(rungs.go_below(0));
  for (int window = 0; window < 30; ++window) rungs.begin_window(100);
  EXPECT_EQ(rungs.current().index, 1u);
  for (int window = 0; window < lipsync::kRoomyWindows; ++window) rungs.begin_window(200);
  EXPECT_EQ(rungs.current().index, 0u);
  rungs.ask_to_go_lower();
  EXPECT_EQ(rungs.current().index, 0u) << "not in the middle of a window";
  rungs.begin_window({});
  EXPECT_EQ(rungs.current().index, 1u);
}

// What a rung was found to need counts for sessions that begin later, where they have no more.
TEST(Rungs, AreKeptForTheModel) {
  auto plan = plan_of(4);
  for (size_t i = 0; i < 4; ++i) plan.ladder[i].peak = 100 - 10 * static_cast<int64_t>(i);
  plan.budget = 120;
  const auto shortages = std::make_shared<lipsync::Shortages>();
  const auto index = [&] { return lipsync::Rungs(plan, shortages).current().index; };
  EXPECT_EQ(index(), 0u);
  lipsync::Rungs first(plan, shortages);
  EXPECT_TRUE(first.go_below(0));
  EXPECT_TRUE(first.go_below(1));
  EXPECT_EQ(index(), 2u);
  plan.budget = 150;
  EXPECT_EQ(index(), 0u) << "more than was not enough";
  plan.budget = 120;
  lipsync::Rungs second(plan, shortages);
  EXPECT_TRUE(second.go_below(2));
  EXPECT_FALSE(second.go_below(3));
  EXPECT_EQ(index(), 3u) << "the last is tried again";
  plan.ladder[0].peak = 110;
  EXPECT_EQ(index(), 0u) << "a plan for other windows";
}

// The same where what is available changes.
TEST(Rungs, AreKeptForTheModelWhereMemoryComesAndGoes) {
  auto plan = plan_of(3);
  for (size_t i = 0; i < 3; ++i) plan.ladder[i].peak = 100 - 10 * static_cast<int64_t>(i);
  plan.budget = 120;
  const auto shortages = std::make_shared<lipsync::Shortages>();
  lipsync::Rungs first(plan, shortages);
  first.begin_window(120);
  EXPECT_TRUE(first.go_below(0));
  first.begin_window(120);
  lipsync::Rungs second(plan, shortages);
  second.begin_window(120);
  EXPECT_EQ(second.current().index, 1u);
  plan.budget = 150;
  lipsync::Rungs third(plan, shortages);
  third.begin_window(150);
  EXPECT_EQ(third.current().index, 0u);
}

// Who has no rung left asks the others, and goes on when one of them has ended its window; it is
// not kept waiting by those who cannot help.
TEST(DeviceSessions, MakeRoomForEachOther) {
  lipsync::DeviceSessions sessions;
  lipsync::Rungs mine(plan_of(1)), others(plan_of(2));
  lipsync::DeviceSessions::Member self(sessions, mine), other(sessions, others);
  self.begin_window();
  EXPECT_FALSE(self.wait_for_room({})) << "the other is idle";
  others.begin_window({});
  other.begin_window();
  EXPECT_FALSE(self.wait_for_room({})) << "the other cannot go lower";

  lipsync::Rungs high(plan_of(3));
  lipsync::DeviceSessions::Member third(sessions, high);
  third.begin_window();
  std::jthread ending([&] { third.end_window(); });
  EXPECT_TRUE(self.wait_for_room({}) || high.current().index == 0);
  ending.join();
  high.begin_window({});
  EXPECT_EQ(high.current().index, 1u);

  third.begin_window();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(self.wait_for_room(stop.get_token()), Error);
}

// Two who wait for each other do not wait for ever.
TEST(DeviceSessions, DoNotWaitForEachOther) {
  lipsync::DeviceSessions sessions;
  lipsync::Rungs first_rungs(plan_of(3)), second_rungs(plan_of(3));
  lipsync::DeviceSessions::Member first(sessions, first_rungs), second(sessions, second_rungs);
  first.begin_window();
  second.begin_window();
  int room = 0;
  {
    std::jthread waiting([&] {
      room += first.wait_for_room({}) ? 1 : 0;
      first.end_window();
    });
    second.wait_for_room({});
    second.end_window();
  }
  EXPECT_LE(room, 1);
}

// On a CPU, too, others make room before a session fails for want of the machine's memory; where it
// has used up its own budget they cannot help, and are not asked.
TEST(DeviceSessions, MakeRoomOnACpu) {
  lipsync::DeviceShare share(c10::kCPU, {.plan = plan_of(1)}),
      other(c10::kCPU, {.plan = plan_of(3)});
  const lipsync::DeviceWork work(share, {}, {});
  const lipsync::DeviceShare::WindowScope outer(other, true);
  const auto index_of_other = [&] {
    const lipsync::DeviceShare::WindowScope next(other, true);
    return other.rungs().current().index;
  };
  const auto fails_once = [&](const std::function<void()>& fail) {
    return [&work, fail, failed = false]() mutable {
      return work.at_rung([&](const Rung&) {
        if (!std::exchange(failed, true)) fail();
        return true;
      });
    };
  };
  EXPECT_THROW(fails_once([] {
                 TORCH_CHECK(false, "DefaultCPUAllocator: not enough memory: of a budget of 1.");
               })(),
               Error);
  EXPECT_EQ(index_of_other(), 0u);
  bool made = false;
  {
    std::jthread rendering([&] { made = fails_once([] { throw std::bad_alloc(); })(); });
    while (index_of_other() == 0) std::this_thread::yield();
  }
  EXPECT_TRUE(made);
}

}  // namespace
}  // namespace latentsync::test
