#include "tests/transcode/support.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

/// A few frames with the real engine and the demo model, one denoising step: seconds on a CPU.
using Hashes = std::vector<std::string>;

/// A video without a face for two seconds comes out untouched until the face comes.
TEST(Real, NoFaceAtFirst) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished =
      transcode_really(media("face-comes-later.mp4") + " --set inference-steps=1 -o " + output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  expect_same_times(media("face-comes-later.mp4"), output);
  const Hashes before = frame_hashes(media("face-comes-later.mp4"));
  const Hashes after = frame_hashes(output);
  ASSERT_EQ(after.size(), 66u);
  for (size_t frame = 0; frame < 50; ++frame) {
    EXPECT_EQ(before[frame], after[frame]) << "frame " << frame;
  }
  EXPECT_NE(before.back(), after.back());
}

/// Turned pixels are upright before faces are looked for: they are found, and the output is
/// upright.
TEST(Real, RotatedPhoneVideo) {
  const std::string output = empty_folder() / "out.mkv";
  const Finished finished = transcode_really(
      media("rotated.mp4") + " --duration 0.2 --set window-frames=5 --set inference-steps=1 -o " +
      output);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(probe(output, "v", "width,height"), "240,288");
  const Hashes before = frame_hashes(media("rotated.mp4"));
  const Hashes after = frame_hashes(output);
  ASSERT_EQ(after.size(), 5u);
  for (size_t frame = 0; frame < after.size(); ++frame) {
    EXPECT_NE(before[frame], after[frame]) << "frame " << frame;
  }
}

/// With 32 frames of lead-in, a part that begins in mid-window is the same bytes as in a longer
/// run: faces are followed and smoothed, and windows denoised, as if all had been rendered.
TEST(Real, PartEqualsTheWhole) {
  const std::filesystem::path folder = empty_folder();
  const std::string clip = media("seconds-2.mkv") + " --set inference-steps=1 ";
  const Finished whole =
      transcode_really(clip + "--duration 2.24 -o " + (folder / "whole.mkv").string());
  ASSERT_EQ(whole.status, 0) << whole.output;
  const Finished part =
      transcode_really(clip + "--start 2.08 --duration 0.16 -o " + (folder / "part.mkv").string());
  ASSERT_EQ(part.status, 0) << part.output;
  const Hashes all = frame_hashes(folder / "whole.mkv");
  ASSERT_EQ(all.size(), 56u);
  EXPECT_EQ(frame_hashes(folder / "part.mkv"), Hashes(all.begin() + 52, all.end()));
}

/// Parts of a plan, joined, are the file that one run writes: lead-in, windows and audio are those
/// of the whole.
TEST(Real, JoinedPartsEqualTheWhole) {
  const std::filesystem::path folder = empty_folder();
  const std::string plan = (folder / "plan.json").string();
  const std::string clip = media("seconds-2.mkv") +
                           " --start 0.4 --duration 1.28 --set inference-steps=1 --set "
                           "resolution=128 --set window-frames=8 ";
  const std::string single = (folder / "single.mkv").string();
  const std::string joined = (folder / "joined.mkv").string();
  ASSERT_EQ(transcode_really(clip + "-o " + single).status, 0);
  const Finished planned =
      run_process(LATENTSYNC_TRANSCODE " " + clip + "--no-cache --plan-shards 2 -o " + plan);
  ASSERT_EQ(planned.status, 0) << planned.output;
  for (const char* shard : {":0", ":1"}) {
    const Finished made = transcode_really("--shard " + plan + shard);
    ASSERT_EQ(made.status, 0) << made.output;
  }
  const Finished finished = transcode_really("--join " + plan + " -o " + joined);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frame_hashes(joined), frame_hashes(single));
  EXPECT_EQ(run_process("cmp " + joined + " " + single).status, 0);
}

/// A folder that is no model is one sentence.
TEST(Real, UnreadableModel) {
  const std::filesystem::path folder = empty_folder();
  for (const std::string& model : {folder.string(), std::string("/nowhere/model")}) {
    const Finished finished = transcode_really(media("rate-25.mp4") + " --set model-path=" + model +
                                               " -o " + (folder / "out.mp4").string());
    EXPECT_EQ(finished.status, 3) << finished.output;
    EXPECT_NE(finished.output.find(model), std::string::npos) << finished.output;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

}  // namespace
}  // namespace latentsync::test
