#include "tests/transcode/support.h"

#include "tests/transcode/house_rule.h"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr double kMatroskaRounding = 0.0011;

std::string must(const std::string& command) {
  const Finished finished = run_process(command);
  EXPECT_EQ(finished.status, 0) << command << "\n" << finished.output;
  return finished.output;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.front() != '#') {
      all.push_back(line);
    }
  }
  return all;
}

Finished run_by_rule(const std::string& arguments, const std::string& environment, int seconds) {
  const HouseRule rule(output_of(arguments));
  Finished finished = run_process(environment + " timeout -k 5 " + std::to_string(seconds) +
                                  " " LATENTSYNC_TRANSCODE " " + arguments);
  rule.check(finished);
  return finished;
}

}  // namespace

const char kNoEdit[] = "LATENTSYNC_FAKE=no-face=0ms-1000000ms";

std::string media(const std::string& name) {
  static const bool made = [] {
    must(LATENTSYNC_SOURCE_ROOT "/tests/media/make.sh " LATENTSYNC_TEST_MEDIA);
    return true;
  }();
  EXPECT_TRUE(made);
  return std::string(LATENTSYNC_TEST_MEDIA "/") + name;
}

std::string sample(const std::string& name) {
  return LATENTSYNC_SOURCE_ROOT "/examples/media/" + name;
}

fs::path empty_folder() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(test->test_suite_name()) + "." + test->name();
  std::replace(name.begin(), name.end(), '/', '.');
  const fs::path folder = fs::path(LATENTSYNC_TEST_MEDIA).parent_path() / "transcode" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

Finished transcode(const std::string& arguments, const std::string& environment) {
  return run_by_rule(arguments, environment + " LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE, 60);
}

Finished transcode_really(const std::string& arguments) {
  return run_by_rule(arguments + " --no-cache", "OMP_WAIT_POLICY=passive", 200);
}

std::vector<double> frame_times(const std::string& file) {
  std::vector<double> times;
  const std::string command =
      "ffprobe -v quiet -select_streams v:0 -show_entries frame=pts_time -of csv=p=0 ";
  for (const std::string& line : lines(must(command + file))) {
    times.push_back(std::stod(line));
  }
  return times;
}

std::vector<std::string> frame_hashes(const std::string& file) {
  std::vector<std::string> hashes;
  const std::string command =
      "ffmpeg -v quiet -i " + file + " -map 0:v:0 -vsync passthrough -f framemd5 -";
  for (const std::string& line : lines(must(command))) {
    hashes.push_back(line.substr(line.rfind(' ') + 1));
  }
  return hashes;
}

std::string sound_hash(const std::string& file, const std::string& filter) {
  return must("ffmpeg -v quiet -i " + file + " -map 0:a:0 -af " + filter +
              " -c:a pcm_s16le -f md5 -");
}

std::string probe(const std::string& file, const std::string& stream, const std::string& entries) {
  const std::vector<std::string> found =
      lines(must("ffprobe -v quiet -select_streams " + stream +
                 ":0 -show_entries stream=" + entries + " -of csv=p=0 " + file));
  return found.empty() ? "" : found.front();
}

void expect_same_times(const std::string& input, const std::string& output, bool base) {
  const std::vector<double> wanted = frame_times(input);
  const std::vector<double> found = frame_times(output);
  ASSERT_FALSE(wanted.empty());
  ASSERT_EQ(wanted.size(), found.size());
  const double shift = base ? found.front() - wanted.front() : 0;
  for (size_t frame = 0; frame < wanted.size(); ++frame) {
    ASSERT_NEAR(wanted[frame] + shift, found[frame], kMatroskaRounding) << "frame " << frame;
  }
}

}  // namespace latentsync::test
