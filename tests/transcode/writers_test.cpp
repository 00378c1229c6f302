#include "tests/transcode/operations.h"

#include <fstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr char kSlow[] = "LATENTSYNC_FAKE=record=off,delay=300ms";
constexpr size_t kFrames = 40;  ///< of rate-25.mp4

std::vector<std::string> names(const fs::path& folder) {
  std::vector<std::string> all;
  for (const auto& [name, content] : contents(folder)) {
    all.push_back(name);
  }
  return all;
}

using Names = std::vector<std::string>;

/// Shell commands that start a job and wait until it writes.
std::string started(const std::string& arguments, const std::string& environment = kSlow) {
  return job(arguments, environment) +
         " & job=$!; while ! ls -a | grep -q 'partial$' && kill -0 $job; do sleep 0.02; done; ";
}

class Writers : public testing::TestWithParam<int> {};

/// Of several jobs that write one file, one makes it whole; the others are refused at once.
TEST_P(Writers, OneWritesTheOthersAreRefused) {
  const fs::path folder = empty_folder();
  fs::create_directory_symlink(folder, folder / "link");
  const std::string clip = media("rate-25.mp4");
  std::string command = "cd " + folder.string() + "; ";
  for (int index = 0; index < GetParam(); ++index) {
    command += "( " + job(clip + " -o " + (index % 2 == 0 ? "o.mkv" : "link/o.mkv"), kSlow) +
               "; echo status $? ) & ";
  }
  const Finished finished = run_process(command + "wait");
  const auto count = [&](const std::string& text) {
    int found = 0;
    for (size_t at = 0; (at = finished.output.find(text, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(count("status 0\n"), 1) << finished.output;
  EXPECT_EQ(count("status 75\n"), GetParam() - 1) << finished.output;
  EXPECT_EQ(count("another job is writing "), GetParam() - 1) << finished.output;
  EXPECT_EQ(names(folder), (Names{"link", "o.mkv"}));
  EXPECT_EQ(frame_hashes(folder / "o.mkv").size(), kFrames);
}

INSTANTIATE_TEST_SUITE_P(Jobs, Writers, testing::Values(2, 4, 8));

/// A job that was killed holds no lock, and what it left is removed by the next one that writes the
/// same output.
TEST(Jobs, AfterAKilledOne) {
  const fs::path folder = empty_folder();
  const std::string clip = media("rate-25.mp4");
  const Finished killed = run_process("cd " + folder.string() + "; " + started(clip + " -o o.mkv") +
                                      "pkill -KILL -P $job; wait $job");
  EXPECT_EQ(killed.status, 137) << killed.output;
  ASSERT_EQ(names(folder).size(), 2u);
  const std::string left = names(folder)[1];
  EXPECT_TRUE(left.starts_with("o.mkv.") && left.ends_with(".partial")) << left;
  // Another output's leftovers, and names of the user's own.
  Names others = {"o.mkv.backup.partial", "o.mkv.latentsync-notes.partial", "o.mkv.partial",
                  "p" + left.substr(1)};
  for (const std::string& other : others) std::ofstream(folder / other) << other;
  EXPECT_EQ(transcode_in(folder, clip + " -o o.mkv").status, 0);
  others.insert(others.begin(), "o.mkv");
  std::sort(others.begin(), others.end());
  EXPECT_EQ(names(folder), others);
}

/// What a killed job left may be somebody's input.
TEST(Jobs, LeftoverAsInput) {
  const fs::path folder = empty_folder();
  const Finished killed =
      run_process("cd " + folder.string() + "; " + started(media("rate-25.mp4") + " -o o.mkv") +
                  "pkill -KILL -P $job; wait $job");
  const std::string left = names(folder).at(1);
  fs::copy_file(media("rate-25.mp4"), folder / left, fs::copy_options::overwrite_existing);
  EXPECT_EQ(transcode_in(folder, left + " -o o.mkv").status, 0);
  EXPECT_EQ(names(folder), (Names{"o.mkv", left}));
}

/// A name as long as the file system takes, and two that begin alike at one time.
TEST(Jobs, LongNames) {
  const fs::path folder = empty_folder();
  const std::string clip = media("rate-25.mp4");
  std::string begin;
  while (begin.size() < 246) begin += "\xc3\xa4";
  const Finished finished =
      run_process("cd " + folder.string() + "; " + started(clip + " -o " + begin + ".one.mkv") +
                  job(clip + " -o " + begin + ".two.mkv") + " && wait $job");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(names(folder), (Names{begin + ".one.mkv", begin + ".two.mkv"}));
  expect_refused(transcode_in(folder, clip + " -o " + begin + ".three.mkv"), "File name too long");
}

/// An output that is a pipe or device is refused: it would be replaced by a file.
TEST(Jobs, OutputThatIsNoFile) {
  const fs::path folder = empty_folder();
  const std::string clip = media("rate-25.mp4");
  const Finished finished = run_process("cd " + folder.string() + " && mkfifo o.mkv && " +
                                        job(clip + " -o o.mkv", "", 5));
  expect_refused(finished, "o.mkv: this is a pipe, socket or device; name a file");
  EXPECT_TRUE(fs::is_fifo(folder / "o.mkv"));
}

/// The file is as readable as any other that its user makes.
TEST(Jobs, PermissionsOfTheUser) {
  const fs::path folder = empty_folder();
  const Finished finished =
      run_process("umask 027; cd " + folder.string() + " && " +
                  job(media("rate-25.mp4") + " -o o.mkv") + " && stat -c %a o.mkv");
  EXPECT_TRUE(finished.output.ends_with("\n640\n")) << finished.output;
}

}  // namespace
}  // namespace latentsync::test
