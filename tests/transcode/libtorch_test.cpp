#include "tests/transcode/operations.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

/// Runs with the real engine and a model folder that is not there: a quick way to see whether the
/// engine was loaded.
Finished load(const fs::path& folder, const std::string& environment, const std::string& engine) {
  return run_process("cd " + folder.string() + "; " + environment + " LATENTSYNC_ENGINE=" + engine +
                     " timeout -k 2 60 " LATENTSYNC_TRANSCODE " " + media("rate-25.mp4") +
                     " --set model-path=/nowhere -o o.mkv");
}

/// Another LibTorch that the process has loaded is named, with what to do.
TEST(LibTorch, LoadedBefore) {
  const fs::path folder = empty_folder();
  const Finished finished = load(folder, "LD_PRELOAD=" LATENTSYNC_FALSE_TORCH, LATENTSYNC_ENGINE);
  EXPECT_EQ(finished.status, 3);
  for (const char* part : {"The engine library " LATENTSYNC_ENGINE " ", " another ",
                           " " LATENTSYNC_FALSE_TORCH ". ", "in a process of its own"}) {
    EXPECT_NE(finished.output.find(part), std::string::npos) << part << "\n" << finished.output;
  }
  EXPECT_EQ(finished.output.find("setup.sh"), std::string::npos) << finished.output;
  EXPECT_TRUE(fs::is_empty(folder));
}

/// Another one in LD_LIBRARY_PATH is not used.
TEST(LibTorch, InTheLibraryPath) {
  const fs::path folder = empty_folder();
  const std::string path = fs::path(LATENTSYNC_FALSE_TORCH).parent_path();
  const Finished finished = load(folder, "LD_LIBRARY_PATH=" + path, LATENTSYNC_ENGINE);
  EXPECT_EQ(finished.status, 3);
  EXPECT_NE(finished.output.find("/nowhere"), std::string::npos) << finished.output;
}

/// A damaged engine is not called a missing LibTorch.
TEST(LibTorch, DamagedEngine) {
  const fs::path folder = empty_folder();
  const Finished finished = load(folder, "", media("not-media.mp4"));
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.output.find("it is damaged, or memory is short. Build or install it again"),
            std::string::npos)
      << finished.output;
}

}  // namespace
}  // namespace latentsync::test
