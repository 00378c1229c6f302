#include "core/memory/account.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/memory_growth.h"
#include "tests/unit/lipsync_engine.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

const nlohmann::json kQuick = {{"resolution", 128}, {"inference_steps", 1}, {"feature_cache", 0}};

constexpr int64_t kMiB = 1 << 20;

/// Loads and windows in a process that goes on for long.
class LipsyncEndurance : public LipsyncEngine {
 protected:
  /// A load, a session and, with RENDERED, a window of one frame, all of which are gone on return.
  /// What the load allocates is charged to ACCOUNT.
  void load_and_render(const ModelSettings& wanted,
                       const std::shared_ptr<memory::Account>& account = {}, bool rendered = true) {
    auto model = [&] {
      const memory::AccountScope scope(account);
      return engine().load(wanted);
    }();
    ASSERT_TRUE(model) << model.failure().message << model.failure().detail;
    const auto session = open(**model);
    if (!rendered) return;
    auto frames = make_frames({true});
    const auto result = render(*session, frames);
    ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
    EXPECT_EQ(result->frames[0].outcome, FrameOutcome::kEdited);
  }

  /// A load that is stopped when PART of it is done.
  static void load_and_stop(const ModelSettings& wanted, double part) {
    std::stop_source stop;
    const auto model = engine().load(wanted, stop.get_token(), [&](double done, const char*) {
      if (done >= part) stop.request_stop();
    });
    ASSERT_FALSE(model);
    EXPECT_EQ(model.failure().code, ErrorCode::kCancelled);
  }

  static void expect_memory_error(const ModelSettings& wanted, const std::string& what) {
    const auto model = engine().load(wanted);
    ASSERT_FALSE(model) << what;
    EXPECT_EQ(static_cast<int>(model.failure().code), static_cast<int>(ErrorCode::kOutOfMemory))
        << what << ": " << model.failure().message << model.failure().detail;
  }

  /// The least growth after each of ten more loads: what a load leaves behind is in all of them,
  /// what the system's allocator holds for a moment is not.
  int64_t settled(const MemoryGrowth& memory, const ModelSettings& wanted) {
    int64_t least = memory.now();
    for (int i = 0; i < 10; ++i) {
      load_and_render(wanted);
      least = std::min(least, memory.now());
    }
    return least;
  }

  /// The mappings of files below FOLDER.
  static int mapped_from(const std::filesystem::path& folder) {
    std::ifstream maps("/proc/self/maps");
    int count = 0;
    for (std::string line; std::getline(maps, line);) {
      count += line.find(folder.string()) != std::string::npos;
    }
    return count;
  }

  const GoldenModelFolder first_{kQuick}, second_{kQuick};
};

// Two hundred loads of two models in turns, each with a session, some with a window or a load that
// is stopped on the way, leave nothing behind: no byte of a tensor, and resident memory stays where
// it was after the first ones.
TEST_F(LipsyncEndurance, TwoHundredLoadsLeaveNothingBehind) {
  constexpr int kLoads = 200, kFirst = 20;
  auto wanted = settings();
  std::unique_ptr<MemoryGrowth> memory;
  for (int i = 0; i < kLoads; ++i) {
    if (i == kFirst) memory = std::make_unique<MemoryGrowth>();
    wanted.folder = (i % 2 == 0 ? first_ : second_).path();
    if (i % 5 == 0) load_and_stop(wanted, 0.1 * (i % 9));
    const auto account = std::make_shared<memory::Account>();
    load_and_render(wanted, account, /*rendered=*/i % 5 == 0);
    ASSERT_FALSE(HasFatalFailure()) << i;
    EXPECT_GT(account->peak(), 16 * kMiB);
    EXPECT_EQ(account->live(), 0) << i;
  }
  EXPECT_LT(settled(*memory, wanted), 4 * kMiB);
  EXPECT_EQ(mapped_from(first_.path()) + mapped_from(second_.path()), 0) << "files are mapped";
}

// Four threads that load, render and stop as they like, of the same two models, get what they ask
// for, and nothing stays.
TEST_F(LipsyncEndurance, LoadsFromFourThreadsAtOnce) {
  constexpr int kThreads = 4, kLoads = 6;
  load_and_render(settings());
  const MemoryGrowth memory;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kLoads; ++i) {
          auto wanted = settings();
          wanted.folder = ((thread + i) % 2 == 0 ? first_ : second_).path();
          if ((thread + i) % 3 == 0) {
            // It may be another thread's load that it waits for and gets: then nothing is stopped.
            std::stop_source stop;
            const auto model =
                engine().load(wanted, stop.get_token(), [&](double done, const char*) {
                  if (done >= 0.5 && done < 1) stop.request_stop();
                });
            if (!model) {
              EXPECT_EQ(model.failure().code, ErrorCode::kCancelled);
            }
          } else {
            load_and_render(wanted);
          }
        }
      });
    }
  }
  // Each thread's own arenas and LibTorch's threads stay with the process.
  EXPECT_LT(memory.now(), 64 * kMiB);
}

// Whichever of a load's tensors finds no memory, the load is one error of memory, no byte of it
// stays, and the next load works.
TEST_F(LipsyncEndurance, ATensorWithoutMemoryIsOneError) {
  constexpr int64_t kTries = 60;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // other threads' tensors are not refused
  auto wanted = settings();
  wanted.folder = first_.path();
  const auto whole = std::make_shared<memory::Account>();
  load_and_render(wanted, whole);
  ASSERT_GT(whole->allocations(), 500);
  for (int64_t i = 0; i <= kTries; ++i) {
    const auto account = std::make_shared<memory::Account>();
    const auto refused = 1 + i * (whole->allocations() - 1) / kTries;
    account->refuse_allocation(refused);
    {
      const memory::AccountScope scope(account);
      expect_memory_error(wanted, "tensor " + std::to_string(refused));
    }
    EXPECT_EQ(account->live(), 0) << "tensor " << refused;
    if (i % 20 == 0) load_and_render(wanted);
    ASSERT_FALSE(HasFatalFailure()) << "after tensor " << refused;
  }
  at::set_num_threads(threads);
}

// The same of every allocation while files, names and configurations are read: before the first
// weights are packed, because oneDNN does not look at what its own small allocations give.
TEST_F(LipsyncEndurance, AnAllocationThatFailsIsOneError) {
  constexpr int64_t kEach = 60, kSpread = 100;
  auto wanted = settings();
  wanted.folder = first_.path();
  load_and_render(wanted);
  int64_t allocations = 0;
  {
    const FailingAllocation none(-1);
    ASSERT_TRUE(engine().load(wanted, {}, [&](double, const char*) {
      if (allocations == 0) allocations = none.seen();
    }));
  }
  ASSERT_GT(allocations, 10 * kSpread);
  const MemoryGrowth memory;
  for (int64_t i = 0; i < kEach + kSpread; ++i) {
    const int64_t fails = i < kEach ? i : kEach + (i - kEach) * (allocations - kEach) / kSpread;
    {
      const FailingAllocation fault(fails);
      expect_memory_error(wanted, "allocation " + std::to_string(fails));
    }
    if (i % 40 == 0) load_and_render(wanted);
    ASSERT_FALSE(HasFatalFailure()) << "after allocation " << fails;
  }
  EXPECT_LT(settled(memory, wanted), 4 * kMiB);
}

}  // namespace
}  // namespace latentsync::test
