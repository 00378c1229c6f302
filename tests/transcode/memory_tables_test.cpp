#include "tests/transcode/support.h"

#include <gtest/gtest.h>

/// The memory plans in docs/memory.md.
namespace latentsync::test {
namespace {

// Each table of the page is what its command prints, with a model of the published size and no GPU.
TEST(MemoryTables, AreWhatTheCommandsPrint) {
  const std::filesystem::path build =
      std::filesystem::path(LATENTSYNC_TRANSCODE).parent_path().parent_path().parent_path();
  const Finished checked = run_process(LATENTSYNC_SOURCE_ROOT "/tests/support/memory_tables.py " +
                                       build.string() + " --check");
  EXPECT_EQ(checked.status, 0) << checked.output;
}

}  // namespace
}  // namespace latentsync::test
