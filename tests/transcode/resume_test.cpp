#include "tests/transcode/house_rule.h"
#include "tests/transcode/operations.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <regex>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

/// Jobs that are killed, stopped or run out of disk, and are started again with the same command;
/// with the real engine, the demo model at its smallest, and windows of one frame.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr int kKilled = 128 + 9;

/// LATENTSYNC_KILLS=300 kills so often, in runs of sixty windows, and fills the disk at each write:
/// a quarter of an hour.
bool is_long() { return std::getenv("LATENTSYNC_KILLS") != nullptr; }

int kills_wanted() { return is_long() ? std::atoi(std::getenv("LATENTSYNC_KILLS")) : 12; }

int windows_wanted() { return is_long() ? 60 : 12; }

std::string preloaded(const std::string& library) {
  return "LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}" LATENTSYNC_PRELOAD "/lib" + library + ".so ";
}

/// Windows of a run by their number, as the element's log has them.
struct Windows {
  std::set<int> rendered;
  std::set<int> cached;
};

Windows windows_in(const fs::path& log) {
  static const std::regex pattern(R"(window (\d+): \d+ of \d+ frames are edited, (\w+))");
  Windows windows;
  std::ifstream stream(log);
  for (std::string line; std::getline(stream, line);) {
    if (std::smatch match; std::regex_search(line, match, pattern)) {
      (match[2] == "rendered" ? windows.rendered : windows.cached).insert(std::stoi(match[1]));
    }
  }
  return windows;
}

/// How many windows BEFORE had that AFTER did not find in the cache.
size_t lost(const Windows& before, const Windows& after) {
  std::vector<int> missing;
  for (const std::set<int>& made : {before.rendered, before.cached}) {
    std::ranges::set_difference(made, after.cached, std::back_inserter(missing));
  }
  return missing.size();
}

class Resume : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    media("");
    whole_ = nullptr;
  }
  static void TearDownTestSuite() { delete std::exchange(whole_, nullptr); }

  void SetUp() override {
    folder_ = empty_folder();
    ASSERT_GT(whole().size(), 1000u);
  }

  /// The command. ENVIRONMENT: shell words before it.
  static std::string command(const fs::path& folder, const std::string& log,
                             const std::string& environment, const std::string& options) {
    return "cd '" + folder.string() + "' && exec env GST_DEBUG=latentsync:5 GST_DEBUG_NO_COLOR=1 " +
           "GST_DEBUG_FILE=" + log + " OMP_WAIT_POLICY=passive " + environment +
           " " LATENTSYNC_TRANSCODE " " + sample("grid_s1_sbwh7s.mp4") + " --duration " +
           std::to_string(windows_wanted() * 0.04) +
           " --set window-frames=1 --set inference-steps=1 --set resolution=128"
           " --set disk-cache-dir=cache " +
           options;
  }

  /// The bytes of a run that nothing interrupts, without a cache.
  static const std::string& whole() {
    if (whole_ == nullptr) {
      const fs::path folder = empty_folder();
      const auto begin = std::chrono::steady_clock::now();
      const Finished finished = run_process(command(folder, "log", "", "--no-cache -o o.mp4"));
      seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      EXPECT_EQ(finished.status, 0) << finished.output;
      whole_ = new std::string(content_of(folder / "o.mp4"));
      fs::remove_all(folder);
      fs::create_directories(folder);
    }
    return *whole_;
  }

  Finished run(const std::string& environment = "", const std::string& options = "-o o.mp4") {
    const HouseRule rule(folder_ / output_of(options));
    fs::remove(folder_ / "log");
    Finished finished = run_process(command(folder_, "log", environment, options));
    if (finished.status != kKilled) {
      rule.check(finished);
    }
    return finished;
  }

  /// Of the last run.
  Windows windows() const { return windows_in(folder_ / "log"); }

  /// Fails the test unless the run that ended like FINISHED has made what an uninterrupted one
  /// makes, of all windows.
  void expect_whole(const Finished& finished, const std::string& output = "o.mp4") const {
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_TRUE(content_of(folder_ / output) == whole()) << "other bytes\n" << finished.output;
    const Windows made = windows();
    EXPECT_EQ(made.rendered.size() + made.cached.size(), static_cast<size_t>(windows_wanted()));
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename();
      EXPECT_EQ(name.find(output + ".latentsync"), std::string::npos) << name << " is left";
    }
  }

  /// Adds what the last run has rendered to RENDERED, and says how many of it were there before.
  int rendered_again(std::set<int>& rendered) const {
    const std::set<int> now = windows().rendered;
    const auto again =
        std::ranges::count_if(now, [&](int window) { return rendered.contains(window); });
    rendered.insert(now.begin(), now.end());
    return static_cast<int>(again);
  }

  /// A moment for the next run to be killed, after KILLED of them: environment for run(). Every
  /// second one is random; where it comes after the run's end, or a point is not reached, another
  /// one of its kind follows.
  std::string death(int killed) {
    if (killed % 2 == 0) {
      std::uniform_real_distribution<> moment(0.05, seconds_);
      return "timeout -s KILL " + std::to_string(moment(random_));
    }
    constexpr const char* kPoints[] = {"write", "sync", "rename", "output"};
    const std::string point = kPoints[killed / 2 % std::size(kPoints)];
    std::uniform_int_distribution<> time(1, point == "output" ? 1 : 8);
    return preloaded("sudden-death") + "LATENTSYNC_KILL_AT=" + point + ":" +
           std::to_string(time(random_));
  }

  fs::path folder_;
  std::minstd_rand random_{1};

 private:
  static std::string* whole_;
  static double seconds_;  ///< that it took
};
std::string* Resume::whole_ = nullptr;
double Resume::seconds_ = 0;

/// Whenever it is killed, the same command goes on: in the end the file is that of an uninterrupted
/// run, and no kill has cost more than one finished window.
TEST_F(Resume, KilledJobGoesOn) {
  const int wanted = kills_wanted();
  int killed = 0;
  int at_points = 0;
  int runs = 0;
  int twice = 0;
  while (killed < wanted && !HasFailure()) {
    fs::remove_all(folder_ / "cache");
    fs::remove(folder_ / "o.mp4");
    std::set<int> rendered;
    Finished finished;
    do {
      const std::string how = killed < wanted ? death(killed) : "";
      ++runs;
      SCOPED_TRACE(how);
      finished = run(how);
      const int again = rendered_again(rendered);
      EXPECT_LE(again, 1);
      twice += again;
      if (finished.status == kKilled) {
        ++killed;
        at_points += how.starts_with("LD_PRELOAD") ? 1 : 0;
      }
    } while (finished.status == kKilled);
    expect_whole(finished);
  }
  EXPECT_EQ(killed, wanted);
  EXPECT_EQ(at_points, wanted / 2);
  std::printf("%d kills, %d of them at named points, in %d runs; %d finished windows twice\n",
              killed, at_points, runs, twice);
}

/// The twin without a cache, to see that the bound above can be missed.
TEST_F(Resume, WithoutACacheAllIsRenderedAgain) {
  const std::string options = "--no-cache -o o.mp4";
  run_process("cd '" + folder_.string() + "'; (" + command(folder_, "log", "", options) +
              ") & job=$!; until grep -qs 'window 4: ' log || ! kill -0 $job; do sleep 0.05; "
              "done; kill -KILL $job; wait $job");
  std::set<int> rendered;
  rendered_again(rendered);
  expect_whole(run("", options));
  EXPECT_GE(rendered_again(rendered), 5);
  EXPECT_FALSE(fs::exists(folder_ / "cache"));
}

/// A job that is stopped by a scheduler leaves what is done for the next one.
TEST_F(Resume, StoppedJobGoesOn) {
  // A window has two entries.
  const Finished finished = run(preloaded("sudden-death") + "LATENTSYNC_KILL_AT=rename:5 " +
                                "LATENTSYNC_SIGNAL=" + std::to_string(SIGUSR1));
  EXPECT_EQ(finished.status, 143) << finished.output;
  EXPECT_NE(finished.output.find("o.mp4: it ends early; the same command again goes on"),
            std::string::npos)
      << finished.output;
  const Windows before = windows();
  EXPECT_GE(before.rendered.size(), 3u);
  expect_whole(run());
  EXPECT_EQ(lost(before, windows()), 0u);
}

/// Two jobs on one cache, one of them killed: the other one is whole, and the first goes on.
TEST_F(Resume, TwoJobsOnOneCache) {
  const Finished both = run_process(
      std::string("(") +
      command(folder_, "log-1", preloaded("sudden-death") + "LATENTSYNC_KILL_AT=rename:3",
              "-o killed.mp4") +
      ") & (" + command(folder_, "log", "", "-o o.mp4") + "); status=$?; wait; exit $status");
  expect_whole(both);
  expect_whole(run("", "-o killed.mp4"), "killed.mp4");
  EXPECT_EQ(windows().rendered.size(), 0u);
}

/// The disk is full for the cache, from any of its writes on, the very last one too: one line, and
/// the job goes on; when there is room again, what was kept is taken.
TEST_F(Resume, FullDiskForTheCache) {
  // A window has two entries of three writes each.
  std::vector<int> writes = {2, 14, 6 * windows_wanted()};
  if (is_long()) {
    for (int from = 3; from < 14; ++from) writes.push_back(from);
  }
  for (const int from : writes) {
    SCOPED_TRACE(from);
    fs::remove_all(folder_ / "cache");
    const Finished finished = run(preloaded("full-disk") + "LATENTSYNC_FULL_FOR=cache " +
                                  "LATENTSYNC_FULL_FROM=" + std::to_string(from));
    expect_whole(finished);
    const size_t warning = finished.output.find("warning: ");
    ASSERT_NE(warning, std::string::npos) << finished.output;
    EXPECT_EQ(finished.output.find("warning: ", warning + 1), std::string::npos) << finished.output;
    EXPECT_NE(finished.output.find("cache", warning), std::string::npos) << finished.output;
    expect_whole(run());
    // A window is kept with three writes or more.
    EXPECT_LE(windows().cached.size(), static_cast<size_t>((from - 1) / 3));
    EXPECT_EQ(windows().cached.empty(), from < 4);
  }
}

/// The disk is full for the output, from any of its writes on: one line, an older output stays, and
/// when there is room again the job goes on.
TEST_F(Resume, FullDiskForTheOutput) {
  Windows before;
  for (int from = 1;; from = is_long() ? from + 1 : 2 * from) {
    SCOPED_TRACE(from);
    std::ofstream(folder_ / "o.mp4") << "before";
    const Finished finished =
        run(preloaded("full-disk") + "LATENTSYNC_FULL_FROM=" + std::to_string(from));
    EXPECT_LE(lost(before, windows()), 1u);
    if (finished.status == 0) {
      EXPECT_GT(from, 2) << "it was never full";
      expect_whole(finished);
      break;
    }
    before = windows();
    EXPECT_EQ(finished.status, 75) << finished.output;
    const bool told = finished.output.find(
                          "o.mp4: the disk is full; free some space and run "
                          "again\n") != std::string::npos ||
                      finished.output.find("No space left on device\n") != std::string::npos;
    EXPECT_TRUE(told) << finished.output;
    EXPECT_EQ(content_of(folder_ / "o.mp4"), "before");
  }
}

}  // namespace
}  // namespace latentsync::test
