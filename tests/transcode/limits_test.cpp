#include "tests/transcode/operations.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

std::string preloaded(const char* library) {
  return std::string("LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}" LATENTSYNC_PRELOAD "/lib") + library +
         ".so ";
}

/// Where threads cannot be started, that is said; nothing waits for them and nothing is left. With
/// enough of them the output is whole.
TEST(Limits, Threads) {
  const fs::path folder = empty_folder();
  const std::string clip = media("rate-25.mp4");
  int whole = 0;
  for (const int threads : {0, 8, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 100000}) {
    const Finished finished = run_process(
        "cd " + folder.string() + "; " +
        job(clip + " -o o.mp4",
            preloaded("few-threads") + "LATENTSYNC_TEST_THREADS=" + std::to_string(threads), 10));
    SCOPED_TRACE(threads);
    if (finished.status == 0) {
      ++whole;
      EXPECT_EQ(frames_of(folder / "o.mp4"), 40u);
      fs::remove(folder / "o.mp4");
    } else {
      EXPECT_EQ(finished.status, 1) << finished.output;
      const size_t at = finished.output.find("o more threads can be started (ulimit -u");
      EXPECT_NE(at, std::string::npos) << finished.output;
      EXPECT_EQ(finished.output.find("latentsync-transcode: ") + 23, at) << finished.output;
    }
    EXPECT_TRUE(fs::is_empty(folder));
  }
  EXPECT_GT(whole, 0);
}

/// A library that ends the process while it renders leaves no partial file.
TEST(Limits, ExitOfALibrary) {
  const fs::path folder = empty_folder();
  const Finished finished =
      transcode_in(folder, media("rate-25.mp4") + " -o o.mp4", preloaded("sudden-exit"));
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.output.find("latentsync-transcode: a library ended the process"),
            std::string::npos)
      << finished.output;
  EXPECT_TRUE(fs::is_empty(folder));
}

/// A full disk is called that, and nothing is left.
TEST(Limits, FullDisk) {
  const fs::path folder = empty_folder();
  const Finished finished =
      transcode_in(folder, media("rate-25.mp4") + " -o o.mp4", preloaded("full-disk"));
  EXPECT_EQ(finished.status, 75);
  EXPECT_NE(finished.output.find("the disk is full"), std::string::npos) << finished.output;
  EXPECT_TRUE(fs::is_empty(folder));
}

/// A limit of file sizes is an error that is told, not a signal that kills.
TEST(Limits, FileSize) {
  const fs::path folder = empty_folder();
  for (const char* name : {"o.mkv", "o.mp4", "o.webm"}) {
    const Finished finished = run_process("ulimit -f 16; cd " + folder.string() + "; " +
                                          job(media("rate-25.mp4") + " -o " + name));
    EXPECT_EQ(finished.status, 1) << finished.output;
    EXPECT_NE(finished.output.find(std::string(name) + ": cannot be written (File too large)"),
              std::string::npos)
        << finished.output;
    EXPECT_TRUE(fs::is_empty(folder));
  }
}

/// A clip that fails before its pipeline plays: the pipeline does not play afterwards, and what it
/// wrote is not made again.
TEST(Limits, FailureBeforeTheStart) {
  const fs::path folder = empty_folder();
  const std::string clip = media("rate-25.mp4");
  const std::string other = media("rate-30.mp4");
  const Finished finished = run_process(
      "cd " + folder.string() + "; printf '%s\\n' " + clip + " " + other + " >list; " +
      job("--batch list -o made", preloaded("late-start") + "LATENTSYNC_FAKE=delay=300ms"));
  EXPECT_EQ(finished.status, 1) << finished.output;
  EXPECT_NE(finished.output.find("the first sample is not taken"), std::string::npos)
      << finished.output;
  std::vector<std::string> names;
  for (const auto& [name, content] : contents(folder / "made")) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{".rate-30.mp4.sha256", "rate-30.mp4"}));
}

}  // namespace
}  // namespace latentsync::test
