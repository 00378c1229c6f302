#include "tests/support/failing_allocations.h"
#include "tests/unit/lipsync_session.h"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// The cheapest window that goes through all stages.
constexpr RenderSettings kQuick{.guidance_scale = 1, .inference_steps = 2, .feature_cache = 0};

std::vector<Rung> three_rungs() {
  return {{.name = "whole", .window_frames = 24},
          {.name = "vae-batch-1", .vae_batch = 1, .window_frames = 24},
          {.name = "two-passes", .vae_batch = 1, .two_passes = true, .window_frames = 24}};
}

// The largest difference of two samples.
int most_difference(const TestFrames& a, const TestFrames& b) {
  int most = 0;
  for (size_t i = 0; i < a.pictures.size(); ++i) {
    const auto first = a.pictures[i].bytes.to(at::kInt), second = b.pictures[i].bytes.to(at::kInt);
    most = std::max(most, (first - second).abs().max().item<int>());
  }
  return most;
}

using LipsyncShortage = LipsyncSessionTest;

// Which of a window's allocations fail, one in each attempt: some forty of them, or those that
// LATENTSYNC_ALLOCATIONS=FROM:TO:STEP says, numbered from 1; TO=0 is the last. All of them
// (1:0:1) take long: then each attempt in a hundred is told on standard error.
struct Attempts {
  int64_t from = 1;
  int64_t to = 0;
  int64_t step = 1;
  bool told = false;
};

Attempts attempts_of(int64_t allocations) {
  Attempts attempts{.to = allocations, .step = std::max<int64_t>(1, allocations / 40)};
  const char* text = std::getenv("LATENTSYNC_ALLOCATIONS");
  if (text == nullptr) return attempts;
  attempts.told = true;
  char end = 0;
  const int read = std::sscanf(text, "%" SCNd64 ":%" SCNd64 ":%" SCNd64 "%c", &attempts.from,
                               &attempts.to, &attempts.step, &end);
  if (read != 3 || attempts.from < 1 || attempts.to < 0 || attempts.step < 1) {
    ADD_FAILURE() << "LATENTSYNC_ALLOCATIONS is not FROM:TO:STEP: " << text;
    return {.from = 1, .to = 0};
  }
  if (attempts.to == 0 || attempts.to > allocations) attempts.to = allocations;
  return attempts;
}

void tell(const Attempts& attempts, int64_t n, std::chrono::steady_clock::time_point begin) {
  const int64_t number = (n - attempts.from) / attempts.step;
  const int64_t all = (attempts.to - attempts.from) / attempts.step + 1;
  if (!attempts.told || (number % 100 != 0 && number + 1 != all)) return;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "allocation %" PRId64 ", attempt %" PRId64 " of %" PRId64 ", %.0f s\n", n,
               number + 1, all, seconds.count());
}

// Whichever allocation of a window fails, the window is rendered one rung lower, or there is one
// error and no frame has changed; the next window of the session is rendered in any case.
TEST_F(LipsyncShortage, AnyAllocationMayFail) {
  const auto model = load();
  auto expected = window_of(0, 1), untouched = window_of(0, 1);
  // The first window of a model makes tables that stay.
  auto first = window_of(0, 1);
  ASSERT_TRUE(open_with(*model, three_rungs())->render(window(first), kQuick, {}, {}));
  int64_t allocations = 0;
  {
    const auto session = open_with(*model, three_rungs());
    const auto result = session->render(window(expected), kQuick, {}, {});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->rung, "whole");
    allocations = session->share().account()->allocations();
  }
  ASSERT_GT(allocations, 200);
  const auto attempts = attempts_of(allocations);
  const auto begin = std::chrono::steady_clock::now();
  int lower = 0, failed = 0;
  for (int64_t n = attempts.from; n <= attempts.to; n += attempts.step) {
    tell(attempts, n, begin);
    const auto session = open_with(*model, three_rungs());
    session->share().account()->refuse_allocation(n);
    auto frames = window_of(0, 1);
    const auto result = session->render(window(frames), kQuick, {}, {});
    session->share().account()->refuse_allocation(0);
    if (result) {
      EXPECT_EQ(result->rung, "vae-batch-1") << "allocation " << n;
      EXPECT_LE(most_difference(frames, expected), 1) << "allocation " << n;
      ++lower;
    } else {
      EXPECT_EQ(result.failure().code, ErrorCode::kOutOfMemory) << result.failure().message;
      EXPECT_TRUE(frames.written.empty()) << "allocation " << n;
      EXPECT_TRUE(frames.equals(untouched)) << "allocation " << n;
      ++failed;
    }
    auto next = window_of(1, 1);
    EXPECT_TRUE(session->render(window(next), kQuick, {}, {})) << "allocation " << n;
  }
  // A part of them may be all of the last stage.
  if (!attempts.told) {
    EXPECT_GT(lower, 10 * failed) << "only pasting fails for good";
  }
}

// Where the machine's own memory runs out the window is rendered one rung lower, or there is one
// error and no frame has changed; nothing ends the process, and the next window is rendered.
TEST_F(LipsyncShortage, TheMachinesMemoryMayRunOut) {
  const auto model = load();
  auto expected = window_of(0, 1), untouched = window_of(0, 1);
  int64_t allocations = 0;
  {
    const auto session = open_with(*model, three_rungs());
    const FailingAllocation counted(std::numeric_limits<int64_t>::max());
    ASSERT_TRUE(session->render(window(expected), kQuick, {}, {}));
    allocations = counted.seen();
  }
  ASSERT_GT(allocations, 40);
  int lower = 0;
  for (int64_t n = 0; n < allocations; n += 1 + allocations / 40) {
    const auto session = open_with(*model, three_rungs());
    auto frames = window_of(0, 1);
    Result<WindowResult> result = WindowResult{};
    {
      const FailingAllocation fault(n);
      result = session->render(window(frames), kQuick, {}, {});
    }
    if (result) {
      if (result->rung == "whole") {
        EXPECT_TRUE(frames.equals(expected)) << "allocation " << n;
      } else {
        EXPECT_EQ(result->rung, "vae-batch-1") << "allocation " << n;
        EXPECT_LE(most_difference(frames, expected), 1) << "allocation " << n;
        ++lower;
      }
    } else {
      EXPECT_EQ(result.failure().code, ErrorCode::kOutOfMemory) << result.failure().message;
      EXPECT_TRUE(frames.equals(untouched)) << "allocation " << n;
    }
    auto next = window_of(1, 1);
    EXPECT_TRUE(session->render(window(next), kQuick, {}, {})) << "allocation " << n;
  }
  EXPECT_GT(lower, 0);
}

// A session keeps to its own limit, on the rung that it needs for that, beside one with more; both
// share the weights and have the same pictures but for rounding.
TEST_F(LipsyncShortage, TwoBudgetsOnOneModel) {
  const auto model = load();
  auto expected = window_of(0, 4);
  int64_t peak = 0;
  {
    const auto session = open_with(*model, three_rungs());
    ASSERT_TRUE(session->render(window(expected), {}, {}, {}));
    peak = session->share().memory_peak();
  }
  const int64_t limits[] = {peak * 2, peak * 9 / 10};
  std::string rungs[2];
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        const auto session = open_with(*model, three_rungs(), AudioContext::kSliding, limits[i]);
        for (int number = 0; number < 2; ++number) {
          auto frames = window_of(0, 4);
          auto cut = window(frames);
          cut.discontinuity = true;
          const auto result = session->render(cut, {}, {}, {});
          ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
          EXPECT_LE(most_difference(frames, expected), 1);
          EXPECT_LE(session->share().memory_peak(), limits[i]);
          EXPECT_GT(result->memory_peak, model->info().weight_bytes);
          rungs[i] = result->rung;
        }
      });
    }
  }
  EXPECT_EQ(rungs[0], "whole");
  EXPECT_NE(rungs[1], "whole");
}

// Where no rung is small enough there is one error that says what is needed and what to set.
TEST_F(LipsyncShortage, TellsWhatIsNeededWhereNothingFits) {
  const auto model = load();
  const auto session = open_with(*model, three_rungs(), AudioContext::kSliding, 1 << 20);
  auto frames = window_of(0, 2), untouched = window_of(0, 2);
  const auto result = session->render(window(frames), {}, {}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.failure().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(result.failure().message.find("resolution"), std::string::npos)
      << result.failure().message;
  EXPECT_TRUE(frames.equals(untouched));
}

// A window with a deadline waits for one denoising step of another session at most, however long
// that one's windows are.
TEST_F(LipsyncShortage, LiveWindowsWaitForOneStepAtMost) {
  const auto model = load();
  const auto slow = open_with(*model), live = open_with(*model);
  std::stop_source stop;
  std::jthread working([&] {
    while (!stop.stop_requested()) {
      auto frames = window_of(0, 4);
      slow->render(window(frames), {.inference_steps = 20}, stop.get_token(), {});
    }
  });
  while (slow->share().client().counts().tasks < 4) std::this_thread::yield();
  for (int number = 0; number < 2; ++number) {
    auto frames = window_of(0, 1);
    auto urgent = window(frames);
    urgent.deadline_ns = std::chrono::steady_clock::now().time_since_epoch().count();
    EXPECT_TRUE(live->render(urgent, kQuick, {}, {}));
  }
  stop.request_stop();
  const auto counts = live->share().client().counts();
  EXPECT_GT(counts.tasks, 8);
  EXPECT_LE(counts.most_turns_waited, 1);
}

// What a session has allocated goes with it; tables that the first window makes are the model's.
TEST_F(LipsyncShortage, SessionsLeaveNothingBehind) {
  const auto model = load();
  auto first = window_of(0, 1);
  ASSERT_TRUE(open_with(*model)->render(window(first), kQuick, {}, {}));
  for (int number = 0; number < 200; ++number) {
    auto session = open_with(*model);
    const auto account = session->share().account();
    const bool has_face = number % 50 == 0;
    TestFrames frames = make_frames({has_face});
    ASSERT_TRUE(session->render(window(frames), kQuick, {}, {}));
    EXPECT_GT(account->peak(), 0);
    session.reset();
    ASSERT_EQ(account->live(), 0) << number;
  }
}

}  // namespace
}  // namespace latentsync::test
