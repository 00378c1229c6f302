#include "tests/transcode/house_rule.h"

#include "tests/transcode/support.h"

#include <fstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

const char kComplaint[] = "latentsync-transcode: a.mp4: cut off; make it again\n";

/// What the rule says of a run that ended with STATUS, said TEXT, and did DONE beside its output.
std::string verdict(int status, const std::string& text, const std::string& done) {
  const fs::path folder = empty_folder();
  const HouseRule rule(folder / "out.mp4");
  run_process("cd '" + folder.string() + "'; clip='" + media("rate-25.mp4") + "'; " + done);
  return rule.broken({status, text});
}

/// A run is fair that leaves a file with all the frames it speaks of, or a line and no file.
TEST(HouseRule, LetsGoodRunsPass) {
  EXPECT_EQ(verdict(0, "out.mp4: 40 frames, 12.0 frames/s\n", "cp $clip out.mp4"), "");
  EXPECT_EQ(verdict(1, kComplaint, ":"), "");
  EXPECT_EQ(verdict(130, "out.mp4: interrupted\nout.mp4: 8 frames\n", "cp $clip out.mp4"), "");
}

/// Each way to break the rule is seen: files, words, messages of libraries, ends.
TEST(HouseRule, SeesEveryBreach) {
  EXPECT_NE(verdict(0, "", ":"), "") << "no output";
  EXPECT_NE(verdict(0, "", "head -c 4000 $clip >out.mp4"), "") << "does not open";
  EXPECT_NE(verdict(0, "out.mp4: 41 frames\n", "cp $clip out.mp4"), "") << "a frame is missing";
  EXPECT_NE(verdict(1, "", ":"), "") << "no word";
  EXPECT_NE(verdict(1, std::string(kComplaint) + kComplaint, ":"), "") << "two lines";
  EXPECT_NE(verdict(1, "latentsync-transcode: x: Internal data stream error\n", ":"), "");
  EXPECT_NE(verdict(1, kComplaint, "cp $clip out.mp4"), "") << "an output in spite of the failure";
  EXPECT_NE(verdict(1, kComplaint, "touch out.mp4.partial"), "");
  EXPECT_NE(
      verdict(1, std::string("(process:1): GStreamer-CRITICAL **: 12:00: x\n") + kComplaint, ":"),
      "");
  EXPECT_NE(verdict(124, "", ":"), "") << "without an end";
  EXPECT_NE(verdict(139, kComplaint, ":"), "") << "a signal";
}

/// An older output is to stay as it was where a run fails.
TEST(HouseRule, GuardsTheOlderOutput) {
  const fs::path output = empty_folder() / "out.mp4";
  std::ofstream(output) << "before";
  const HouseRule rule(output);
  EXPECT_EQ(rule.broken({1, kComplaint}), "");
  std::ofstream(output) << "another";
  EXPECT_NE(rule.broken({1, kComplaint}), "");
  fs::remove(output);
  EXPECT_NE(rule.broken({1, kComplaint}), "");
}

/// The output's name is found among the arguments as a shell reads them.
TEST(HouseRule, FindsTheOutput) {
  EXPECT_EQ(output_of("in.mp4 -o out.mp4 --audio a.wav"), "out.mp4");
  EXPECT_EQ(output_of("--output='a b.mkv' in.mp4"), "a b.mkv");
  EXPECT_EQ(output_of("in-o.mp4 --audio -o.wav"), "");
}

}  // namespace
}  // namespace latentsync::test
