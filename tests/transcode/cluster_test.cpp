#include "tests/transcode/cluster_support.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <regex>
#include <vector>

#include <gtest/gtest.h>

/// Plans, shards of plans, and joining, with the fake engine, whose pixels depend on the window,
/// the audio and 32 frames before it.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

fs::path constant_rate() {
  return made_clip("constant.mp4",
                   "-vf scale=128:96 -c:v libx264 -preset ultrafast -crf 18 -c:a aac");
}

/// 30000/1001 frames/s with B-frames: MP4 shifts them by an edit list.
fs::path b_frames() {
  return made_clip("b-frames.mp4",
                   "-vf fps=30000/1001,scale=128:96 -c:v libx264 -preset ultrafast -bf 3 -g 40 "
                   "-crf 18 -c:a aac");
}

/// Frames are missing here and there, and no rate is declared.
fs::path variable_rate() {
  return made_clip(
      "variable.mp4",
      "-vf \"scale=128:96,select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))*gt(mod(n,23),4)'\" "
      "-fps_mode vfr -video_track_timescale 90000 -c:v libx264 -preset ultrafast -crf 18 -c:a aac");
}

class ThreeInputs : public testing::TestWithParam<const char*> {
 protected:
  static fs::path input() {
    const std::string name = GetParam();
    return name == "ConstantRate" ? constant_rate()
           : name == "BFrames"    ? b_frames()
                                  : variable_rate();
  }
};

/// Joined parts are the file that one run writes, byte for byte: frames, times and sound.
TEST_P(ThreeInputs, JoinedEqualsSingle) {
  Cluster cluster(input());
  const Finished planned = cluster.plan(4);
  ASSERT_EQ(planned.status, 0) << planned.output;
  cluster.make_all(4);
  for (const char* extension : {".mkv", ".mp4"}) {
    cluster.expect_equal(extension);
  }
}

/// A part of the clip that begins and ends in mid-window is planned like the whole.
TEST_P(ThreeInputs, PartOfTheClip) {
  Cluster cluster(input(), "--start 1.37 --duration 2.11 --audio-offset 40");
  const Finished planned = cluster.plan(3);
  ASSERT_EQ(planned.status, 0) << planned.output;
  cluster.make_all(3);
  cluster.expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Cluster, ThreeInputs,
                         testing::Values("ConstantRate", "BFrames", "VariableRate"),
                         [](const auto& info) { return std::string(info.param); });

/// Speech that is longer than the video, which is looped: frames of later passes are planned too.
TEST(Cluster, LongerSpeechLoopsTheVideo) {
  Cluster cluster(media("rate-25.mp4"),
                  "--audio " + media("speech-long.wav") + " --video-end loop");
  ASSERT_EQ(cluster.plan(3).status, 0);
  cluster.make_all(3);
  cluster.expect_equal();
}

/// Ten bits, and an odd size, which H.264 does not take: the conversion is that of one run.
TEST(Cluster, DeepAndOddPictures) {
  Cluster cluster(
      made_clip("deep.mkv", "-vf scale=129:97 -pix_fmt yuv422p10le -c:v ffv1 -c:a flac", 2));
  ASSERT_EQ(cluster.plan(2).status, 0);
  cluster.make_all(2);
  for (const char* extension : {".mkv", ".mp4", ".mov"}) {
    cluster.expect_equal(extension);
  }
}

/// The sound is made once, from the source: each beep sounds with its flash, also at the borders of
/// parts, and between them no sample is silent.
TEST(Cluster, FlashAndBeep) {
  constexpr size_t kFrames = 16;      // from one flash to the next: a window
  constexpr size_t kSamples = 30720;  // likewise
  constexpr size_t kBeep = 1920;      // a frame
  constexpr size_t kRinging = 1200;   // of AAC
  const fs::path input = made_clip(
      "flash.mkv",
      "-f lavfi -i \"color=black:s=64x48:r=25,geq=lum='if(mod(N,16),16,235)':cb=128:cr=128\" "
      "-f lavfi -i \"aevalsrc='0.1+0.8*sin(2*PI*1000*t)*lt(mod(n,30720),1920)':s=48000\" "
      "-map 1:v -map 2:a -c:v ffv1 -c:a flac");
  Cluster cluster(input, "", kNoEdit);
  ASSERT_EQ(cluster.plan(3).status, 0);
  cluster.make_all(3);
  ASSERT_EQ(cluster.join("joined.mp4").status, 0);
  const Finished decoded = run_process(
      "cd '" + cluster.folder().string() +
      "' && ffmpeg -v error -nostdin -i joined.mp4 -vf scale=1:1,format=gray -f rawvideo video "
      "-ac 1 -f s16le audio");
  ASSERT_EQ(decoded.status, 0) << decoded.output;
  const std::string video = bytes_of(cluster.folder() / "video");
  ASSERT_EQ(video.size(), 100u);
  for (size_t frame = 0; frame < video.size(); ++frame) {
    EXPECT_EQ(static_cast<unsigned char>(video[frame]) > 128, frame % kFrames == 0) << frame;
  }
  const std::string bytes = bytes_of(cluster.folder() / "audio");
  std::vector<int16_t> samples(bytes.size() / 2);
  std::memcpy(samples.data(), bytes.data(), 2 * samples.size());
  ASSERT_GE(samples.size(), 190000u);
  std::vector<int> loudest(samples.size() / kSamples, 0);
  size_t silent = 0;
  for (size_t at = 0; at + kRinging < samples.size(); ++at) {
    const size_t phase = at % kSamples;
    if (phase < kBeep && at / kSamples < loudest.size()) {
      loudest[at / kSamples] = std::max<int>(loudest[at / kSamples], samples[at]);
    }
    const bool between = phase > kBeep + kRinging && phase + kRinging < kSamples;
    silent += between && (samples[at] < 2000 || samples[at] > 4500) ? 1 : 0;
  }
  for (const int beep : loudest) {
    EXPECT_GT(beep, 20000);
  }
  EXPECT_EQ(silent, 0u);
}

/// The plan's shards come longest first, and its paths below its folder are relative.
TEST(Cluster, PlanIsPortable) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(3).status, 0);
  cluster.make_all(2);
  const fs::path moved = cluster.folder().string() + "-moved";
  fs::remove_all(moved);
  fs::rename(cluster.folder(), moved);
  const Finished last = transcode_in(moved, "--no-cache --shard plan.json:2");
  EXPECT_EQ(last.status, 0) << last.output;
  const Finished joined = transcode_in(moved, "--join plan.json -o joined.mkv");
  EXPECT_EQ(joined.status, 0) << joined.output;
  fs::remove_all(moved);
}

/// A part that is there and whole is not made again; a damaged one is.
TEST(Cluster, PartsAreKept) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(2).status, 0);
  cluster.make_all(2);
  const Finished again = cluster.shard(0, "LATENTSYNC_FAKE=render-failure=internal@0");
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_NE(again.output.find("there and whole: kept"), std::string::npos) << again.output;
  ASSERT_EQ(cluster.files_of(1).size(), 1u);
  fs::resize_file(cluster.files_of(1).front(), 1000);
  const Finished mended = cluster.shard(1);
  EXPECT_EQ(mended.status, 0) << mended.output;
  EXPECT_NE(mended.output.find("not as it was written: made again"), std::string::npos)
      << mended.output;
  cluster.expect_equal();
}

/// Two runs of one shard at once both succeed, and leave one part and no partial file.
TEST(Cluster, TwoRunsOfOneShard) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(2).status, 0);
  const Finished both = run_process("(" + cluster.shard_command(0) + ") & one=$!; (" +
                                    cluster.shard_command(0) + ") && wait $one");
  EXPECT_EQ(both.status, 0) << both.output;
  EXPECT_EQ(cluster.files_of(0).size(), 1u);
  EXPECT_EQ(contents(cluster.folder() / "plan.json.parts").size(), 2u);
  EXPECT_EQ(cluster.shard(1).status, 0);
  cluster.expect_equal();
}

/// What a killed run left is removed by the next run of its shard, and what a running one writes is
/// not.
TEST(Cluster, KilledRunsLeaveNothing) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(2).status, 0);
  const fs::path parts = cluster.folder() / "plan.json.parts";
  const std::string slow = cluster.shard_command(0, "LATENTSYNC_FAKE=delay=300ms");
  const std::string wait = "until ls " + parts.string() +
                           "/*.partial >/dev/null 2>&1; do sleep "
                           "0.02; done; ";
  const Finished killed =
      run_process("(" + slow + ") & job=$!; " + wait + "sleep 0.3; kill -KILL $job; wait $job");
  EXPECT_EQ(killed.status, 137) << killed.output;
  EXPECT_FALSE(fs::is_empty(parts));
  const Finished both = run_process("(" + slow + ") & job=$!; sleep 0.5; (" +
                                    cluster.shard_command(0) + ") && wait $job");
  EXPECT_EQ(both.status, 0) << both.output;
  EXPECT_EQ(contents(parts).size(), 2u);
}

/// Missing and damaged parts are listed by their indices, in one line.
TEST(Cluster, JoinListsWhatIsMissing) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(6).status, 0);
  for (const int index : {0, 4, 5}) {
    ASSERT_EQ(cluster.shard(index).status, 0);
  }
  fs::resize_file(cluster.files_of(4).front(), 1000);
  expect_refused(cluster.join(),
                 "plan.json: parts 1-3 missing; part 4 damaged; make them with "
                 "--shard plan.json:I, and join again");
  std::ofstream(cluster.folder() / "plan.json.parts/00000.json") << "{";
  expect_refused(cluster.join(), "parts 0,4 damaged");
  EXPECT_FALSE(fs::exists(cluster.folder() / "joined.mkv"));
}

/// Another input, another model, another version, a plan that was changed: status 3, in one line
/// that says what to do.
TEST(Cluster, RefusesWhatIsNotThePlansAnyMore) {
  Cluster cluster(constant_rate(), "--set model-path=model");
  fs::create_directories(cluster.folder() / "model");
  std::ofstream(cluster.folder() / "model/config.json") << "{}";
  ASSERT_EQ(cluster.plan(2).status, 0);
  const fs::path plan = cluster.folder() / "plan.json";
  const std::string planned = bytes_of(plan);
  const auto write = [&](const std::string& text) { std::ofstream(plan) << text; };
  // The same content at another time is the same file.
  fs::last_write_time(cluster.folder() / "in.mp4", fs::file_time_type::clock::now());
  EXPECT_EQ(cluster.shard(0).status, 0);
  EXPECT_EQ(cluster.shard(1).status, 0);

  std::ofstream(cluster.folder() / "model/config.json") << "[]";
  expect_refused(cluster.shard(0), "this is not the model that plan.json was made with", 3);
  std::ofstream(cluster.folder() / "model/config.json") << "{}";

  write(std::regex_replace(planned, std::regex("latentsync 0"), "latentsync 9"));
  expect_refused(cluster.shard(0), "plan.json was made with latentsync 9", 3);
  write(std::regex_replace(planned, std::regex("\"begin\": 0"), "\"begin\": 1"));
  expect_refused(cluster.shard(0), "plan was changed", 3);
  write("{");
  expect_refused(cluster.shard(0), "this is no plan", 3);
  fs::remove(plan);
  expect_refused(cluster.join(), "no such plan", 3);
  write(planned);

  fs::copy_file(b_frames(), cluster.folder() / "in.mp4", fs::copy_options::overwrite_existing);
  expect_refused(cluster.shard(0), "in.mp4: this is not the input that plan.json was made with", 3);
  expect_refused(cluster.join(), "in.mp4: this is not the input", 3);
  fs::remove(cluster.folder() / "in.mp4");
  expect_refused(cluster.shard(1), "in.mp4: no such file", 3);
}

/// The index is the scheduler's where the command names none.
TEST(Cluster, IndexOfTheScheduler) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(2).status, 0);
  const std::string command = "--no-cache --shard plan.json";
  EXPECT_EQ(cluster.run(command, "JOB_COMPLETION_INDEX=1").status, 0);
  EXPECT_EQ(cluster.files_of(1).size(), 1u);
  EXPECT_EQ(cluster.run(command, "SLURM_ARRAY_TASK_ID=0").status, 0);
  EXPECT_EQ(cluster.files_of(0).size(), 1u);
  expect_refused(cluster.run(command), "which shard?", 2);
  expect_refused(cluster.run(command, "JOB_COMPLETION_INDEX=2"), "has no shard 2", 2);
  expect_refused(cluster.run(command, "JOB_COMPLETION_INDEX=x"), "this is no index", 2);
}

/// What would make other parts, or none, is a wrong command line.
TEST(Cluster, CommandLine) {
  Cluster cluster(constant_rate());
  ASSERT_EQ(cluster.plan(2).status, 0);
  for (const auto& [arguments, says] :
       {std::pair{"--shard plan.json:0 in.mp4", "excludes INPUT"},
        {"--shard plan.json:0 --start 1", "excludes options that change the result"},
        {"--shard plan.json:0 -o x.mkv", "excludes -o"},
        {"--shard plan.json:0 --set seed=2", "the plan decides what the result is"},
        {"--shard plan.json:0 --set device=cuda", "the plan is for cpu"},
        {"--join plan.json", "name the output"},
        {"in.mp4 --plan-shards 1000 -o p.json", "there are only 7 windows"},
        {"in.mp4 --plan-shards 2 --profile h264 -o p.json", "which is for --join"},
        {"in.mp4 --plan-shards 2", "name the output"}}) {
    expect_refused(cluster.run(arguments), says, 2);
  }
  EXPECT_EQ(cluster.run("--shard plan.json:0 --set vram-fraction=0.5 --no-cache").status, 0);
  expect_refused(cluster.run("--join plan.json -o plan.json"), "this is the plan itself");
  expect_refused(cluster.run("--join plan.json -o in.mp4"), "this is the input itself");
}

}  // namespace
}  // namespace latentsync::test
