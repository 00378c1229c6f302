#include "tests/transcode/operations.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

/// A folder with clips in it and below it, and what is none of its clips.
fs::path tree() {
  const fs::path folder = empty_folder();
  for (const char* name : {"clips/a.mp4", "clips/day 1/b.mp4", "clips/day 1/late/a.mp4"}) {
    fs::create_directories((folder / name).parent_path());
    fs::copy_file(media("no-face.mp4"), folder / name);
  }
  fs::create_directories(folder / "clips/.trash");
  fs::copy_file(media("no-face.mp4"), folder / "clips/.trash/c.mp4");
  std::ofstream(folder / "clips/notes.txt") << "no clip";
  return folder;
}

const char kBatch[] = "--batch clips -o made --duration 0.4";

/// The word that the jobs' report has for the clip whose output is OUTPUT.
std::string state_of(const fs::path& report, const std::string& output) {
  const Finished found = run_process(
      "python3 -c \"import json,sys; print(*[c['state'] for c in json.load(open(sys.argv[1]))"
      "['clips'] if c['output']==sys.argv[2]])\" '" +
      report.string() + "' '" + output + "'");
  return found.output.substr(0, found.output.find('\n'));
}

bool says(const Finished& finished, const std::string& words) {
  return finished.output.find(words) != std::string::npos;
}

/// Outputs lie in a tree like the inputs', hidden folders are left out, and one load serves all.
TEST(Batch, MakesATreeLikeTheInputs) {
  const fs::path folder = tree();
  const Finished finished = transcode_in(folder, kBatch);
  ASSERT_EQ(finished.status, 0) << finished.output;
  for (const char* name : {"a.mp4", "day 1/b.mp4", "day 1/late/a.mp4"}) {
    EXPECT_EQ(frames_of(folder / "made" / name), 10u) << name;
  }
  EXPECT_FALSE(fs::exists(folder / "made/.trash"));
  EXPECT_FALSE(fs::exists(folder / "made/c.mp4"));
  EXPECT_TRUE(says(finished, "3 clips: 3 made, 0 kept, 0 failed")) << finished.output;
}

/// Outputs within the folder of the inputs are no inputs of the next run.
TEST(Batch, OutputsAreNoInputs) {
  const fs::path folder = tree();
  for (int run = 0; run < 2; ++run) {
    const Finished finished = transcode_in(folder, "--batch clips -o clips/made --duration 0.4");
    EXPECT_EQ(finished.status, 0) << finished.output;
    EXPECT_TRUE(says(finished, "3 clips: ")) << finished.output;
  }
}

/// A list's relative names keep their folders, others are put side by side.
TEST(Batch, ListKeepsItsFolders) {
  const fs::path folder = tree();
  std::ofstream(folder / "list") << "clips/a.mp4\nclips/day 1/late/a.mp4\n"
                                 << media("no-face.mp4") << "\n";
  const Finished finished = transcode_in(folder, "--batch list -o made --duration 0.4");
  ASSERT_EQ(finished.status, 0) << finished.output;
  for (const char* name : {"clips/a.mp4", "clips/day 1/late/a.mp4", "no-face.mp4"}) {
    EXPECT_TRUE(fs::exists(folder / "made" / name)) << name;
  }
}

/// What is there and whole is kept, untouched and without loading the model.
TEST(Batch, KeepsWhatIsWhole) {
  const fs::path folder = tree();
  ASSERT_EQ(transcode_in(folder, kBatch).status, 0);
  const auto before = contents(folder / "made");
  const auto time = fs::last_write_time(folder / "made/a.mp4");
  const Finished again = transcode_in(folder, kBatch, "LATENTSYNC_FAKE=load-failure=not-found");
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_TRUE(says(again, "3 clips: 0 made, 3 kept, 0 failed")) << again.output;
  EXPECT_TRUE(contents(folder / "made") == before);
  EXPECT_EQ(fs::last_write_time(folder / "made/a.mp4"), time);
  fs::remove(folder / "made/a.mp4");
  const Finished third = transcode_in(folder, kBatch);
  EXPECT_TRUE(says(third, "3 clips: 1 made, 2 kept, 0 failed")) << third.output;
}

/// The checksums are those of sha256sum.
TEST(Batch, ChecksumsAreOfTheUsualForm) {
  const fs::path folder = tree();
  ASSERT_EQ(transcode_in(folder, kBatch).status, 0);
  const Finished checked = run_process("cd '" + (folder / "made/day 1").string() +
                                       "' && sha256sum --strict -c .b.mp4.sha256");
  EXPECT_EQ(checked.status, 0) << checked.output;
}

struct Change {
  const char* name;
  const char* command;  ///< of a shell in the folder, between the two runs
  const char* options;  ///< of the second run
  int made;             ///< by it, of three
};

void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }

class MadeAgain : public testing::TestWithParam<Change> {};

/// An output that is cut, altered, of an older input, of other settings or of unknown origin is not
/// trusted.
TEST_P(MadeAgain, AfterAChange) {
  const fs::path folder = tree();
  ASSERT_EQ(transcode_in(folder, kBatch).status, 0);
  const Finished changed = run_process("cd '" + folder.string() + "' && " + GetParam().command);
  ASSERT_EQ(changed.status, 0) << changed.output;
  const Finished again = transcode_in(folder, std::string(kBatch) + " " + GetParam().options);
  EXPECT_EQ(again.status, 0) << again.output;
  const std::string made = std::to_string(GetParam().made);
  const std::string kept = std::to_string(3 - GetParam().made);
  EXPECT_TRUE(says(again, "3 clips: " + made + " made, " + kept + " kept")) << again.output;
  EXPECT_EQ(frames_of(folder / "made/a.mp4"), 10u);
}

INSTANTIATE_TEST_SUITE_P(
    Batch, MadeAgain,
    testing::Values(
        Change{"Nothing", ":", "", 0}, Change{"Cut", "truncate -s -100 made/a.mp4", "", 1},
        Change{"Empty", ": >made/a.mp4", "", 1},
        Change{"OneByte", "printf x | dd of=made/a.mp4 bs=1 seek=3000 conv=notrunc status=none", "",
               1},
        Change{"NewerInput", "touch clips/a.mp4", "", 1},
        Change{"NoChecksum", "rm made/.a.mp4.sha256", "", 1},
        Change{"DamagedChecksum", "truncate -s 40 made/.a.mp4.sha256", "", 1},
        Change{"Setting", ":", "--set seed=7", 3}, Change{"Preset", ":", "--preset preview", 3},
        Change{"Offset", ":", "--audio-offset 40", 3},
        Change{"Profile", ":", "--profile h264-10bit", 3},
        Change{"OnlyWhere", ":", "--set vram-fraction=0.5", 0}),
    [](const testing::TestParamInfo<Change>& info) { return info.param.name; });

/// The report says what became of each clip, failures are listed at the end with their reasons, and
/// a second run makes only what failed.
TEST(Batch, ReportAndFailures) {
  const fs::path folder = tree();
  fs::remove(folder / "clips/day 1/b.mp4");
  fs::copy_file(media("not-media.mp4"), folder / "clips/day 1/b.mp4");
  const std::string command = std::string(kBatch) + " --jobs-report jobs.json";
  const Finished first = transcode_in(folder, command);
  EXPECT_EQ(first.status, 3) << first.output;
  EXPECT_EQ(state_of(folder / "jobs.json", "made/a.mp4"), "made");
  EXPECT_EQ(state_of(folder / "jobs.json", "made/day 1/b.mp4"), "failed");
  const size_t summary = first.output.find("3 clips: 2 made, 0 kept, 1 failed\n");
  ASSERT_NE(summary, std::string::npos) << first.output;
  EXPECT_NE(first.output.find("  clips/day 1/b.mp4 failed: ", summary), std::string::npos);
  fs::copy_file(media("no-face.mp4"), folder / "clips/day 1/b.mp4",
                fs::copy_options::overwrite_existing);
  const Finished second = transcode_in(folder, command);
  EXPECT_EQ(second.status, 0) << second.output;
  EXPECT_EQ(state_of(folder / "jobs.json", "made/a.mp4"), "kept");
  EXPECT_EQ(state_of(folder / "jobs.json", "made/day 1/b.mp4"), "made");
  EXPECT_FALSE(fs::exists(folder / "jobs.json.partial"));
}

/// A report that cannot be written is an error before the first clip.
TEST(Batch, ReportThatCannotBeWritten) {
  const fs::path folder = tree();
  expect_refused(transcode_in(folder, std::string(kBatch) + " --jobs-report nowhere/jobs.json"),
                 "--jobs-report nowhere/jobs.json: cannot be written");
  expect_refused(transcode_in(folder, std::string(kBatch) + " --jobs-report made/.a.mp4.sha256"),
                 "this is the checksum of the output");
  EXPECT_FALSE(fs::exists(folder / "made/a.mp4"));
}

/// The parts of a pattern in -o are replaced, for one clip and for many, and the pattern's
/// extension counts.
TEST(Batch, Patterns) {
  const fs::path folder = tree();
  const std::string common = " --duration 0.4 --set seed=7 ";
  Finished finished =
      transcode_in(folder, "--batch clips -o 'made/{preset}/{folder}/{stem}-{seed}.mkv'" + common);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "made/default/day 1/late/a-7.mkv"), 10u);
  finished = transcode_in(
      folder, "clips/a.mp4 -o '{stem}-{preset}-{seed}-{{x}.mkv' --preset interview" + common);
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "a-interview-7-{x}.mkv"), 10u);
}

/// Names that would collide are an error before any clip, and so is what a pattern cannot name.
TEST(Batch, PatternsThatAreRefused) {
  const fs::path folder = tree();
  const Finished flat = transcode_in(folder, "--batch clips -o 'made/{stem}.mp4'");
  expect_refused(flat, "would both be written to made/a.mp4");
  for (const auto& [arguments, words] :
       {std::pair{"-o '{sed}.mp4'", "{sed} is not known; there are {stem}, {folder}"},
        {"-o '{seed}.mp4' --set seed=-1", "the seed is drawn anew"}}) {
    const Finished finished = transcode_in(folder, std::string("clips/a.mp4 ") + arguments);
    EXPECT_EQ(finished.status, 2) << finished.output;
    EXPECT_TRUE(says(finished, words)) << finished.output;
  }
  EXPECT_FALSE(fs::exists(folder / "made"));
}

}  // namespace
}  // namespace latentsync::test
