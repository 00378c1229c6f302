#include "tests/transcode/support.h"

#include <gtest/gtest.h>

/// The memory plan on the command line, and the exit status of what does not fit.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

bool says(const Finished& finished, const std::string& words) {
  return finished.output.find(words) != std::string::npos;
}

// --plan prints the table, names the rung that is used and ends; there is no output, and no input
// is needed.
TEST(MemoryPlan, IsPrinted) {
  const Finished finished = transcode("--plan --set vram-budget=2500");
  EXPECT_EQ(finished.status, 0) << finished.output;
  for (const char* words :
       {"device cpu, precision float32, resolution 64, frames of 1920x1080\n",
        "memory in MiB: total 8192, free 8192, budget 2500\n",
        "  MiB        weights  workspaces  frames  face  audio  encode  denoise  decode  paste  "
        "peak",
        "\n  whole          500         100      32 ", "  4000\n", "\n* window-12 ", "  2000\n",
        "\n* window-12 is used: windows of at most 8 frames\n"}) {
    EXPECT_TRUE(says(finished, words)) << words << "\n" << finished.output;
  }
}

// It is made for the input's size, where there is one, and for a device that is not here.
TEST(MemoryPlan, IsMadeForTheInputAndTheDevice) {
  const Finished finished =
      transcode(sample("demo1_video.mp4") + " --plan --set vram-budget=5000 --set device=cuda:1");
  EXPECT_EQ(finished.status, 0) << finished.output;
  const std::string size = probe(sample("demo1_video.mp4"), "v", "width") + "x" +
                           probe(sample("demo1_video.mp4"), "v", "height");
  EXPECT_TRUE(says(finished, "frames of " + size + "\n")) << size << "\n" << finished.output;
  EXPECT_TRUE(says(finished, "device cuda:1,")) << finished.output;
  EXPECT_TRUE(says(finished, "* whole is used")) << finished.output;
}

// What does not fit has a status of its own, with --plan and without, and a line that says what
// would fit.
TEST(MemoryPlan, ThatDoesNotFitHasItsOwnStatus) {
  const Finished planned = transcode("--plan --set vram-budget=500");
  EXPECT_EQ(planned.status, 4) << planned.output;
  EXPECT_TRUE(says(planned, "  whole ")) << planned.output;
  EXPECT_TRUE(says(planned, "latentsync-transcode: ")) << planned.output;
  EXPECT_TRUE(says(planned, "vram-budget=1000")) << planned.output;
  const fs::path folder = empty_folder();
  const Finished run = transcode(sample("demo1_video.mp4") + " --set vram-budget=500 -o " +
                                 (folder / "out.mp4").string());
  EXPECT_EQ(run.status, 4) << run.output;
  EXPECT_TRUE(says(run, "vram-budget=1000")) << run.output;
  EXPECT_TRUE(fs::is_empty(folder));
}

// Memory that runs out in mid-stream has the same status.
TEST(MemoryPlan, MemoryThatRunsOutHasTheSameStatus) {
  const fs::path folder = empty_folder();
  const Finished run =
      transcode(sample("demo1_video.mp4") + " --duration 2 -o " + (folder / "out.mp4").string(),
                "LATENTSYNC_FAKE=render-failure=out-of-memory@1");
  EXPECT_EQ(run.status, 4) << run.output;
}

// What no plan can be made for is an error as in a run.
TEST(MemoryPlan, ErrorsAreThoseOfARun) {
  const Finished failed = transcode("--plan", "LATENTSYNC_FAKE=plan-failure=not-found");
  EXPECT_EQ(failed.status, 3) << failed.output;
  EXPECT_TRUE(says(failed, "latentsync-transcode: The fake engine was told to fail at plan()"))
      << failed.output;
  EXPECT_EQ(transcode("--plan --set resolution=200").status, 3);
  EXPECT_EQ(transcode("--plan --set vram-fraction=0.96").status, 2);
  EXPECT_EQ(transcode("--plan --batch /tmp -o /tmp").status, 2);
  EXPECT_EQ(transcode("/nowhere/in.mp4 --plan").status, 3);
}

// A run with a measure says which in a line.
TEST(MemoryPlan, OfARunIsALine) {
  const fs::path folder = empty_folder();
  const Finished run =
      transcode(sample("demo1_video.mp4") + " --duration 1 --set vram-budget=3500 -o " +
                (folder / "out.mp4").string());
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_TRUE(says(run, "memory: vae-tiles, 3000 MiB of 3500, windows of at most 16 frames"))
      << run.output;
}

}  // namespace
}  // namespace latentsync::test
