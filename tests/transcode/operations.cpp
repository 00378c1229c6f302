#include "tests/transcode/operations.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

namespace latentsync::test {

namespace fs = std::filesystem;

std::string job(const std::string& arguments, const std::string& environment, int seconds) {
  return environment + " LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE " timeout -k 2 " +
         std::to_string(seconds) + " " LATENTSYNC_TRANSCODE " " + arguments;
}

Finished transcode_in(const fs::path& folder, const std::string& arguments,
                      const std::string& environment) {
  return run_process("cd '" + folder.string() + "' && " + job(arguments, environment));
}

void expect_refused(const Finished& finished, const std::string& says, int status) {
  EXPECT_EQ(finished.status, status) << finished.output;
  EXPECT_TRUE(finished.output.starts_with("latentsync-transcode: ")) << finished.output;
  EXPECT_EQ(std::count(finished.output.begin(), finished.output.end(), '\n'), 1) << finished.output;
  EXPECT_NE(finished.output.find(says), std::string::npos) << finished.output << "lacks: " << says;
}

size_t frames_of(const fs::path& file) { return frame_times("'" + file.string() + "'").size(); }

std::string content_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    std::string& content = all[entry.path().lexically_relative(folder).string()];
    if (entry.is_symlink()) {
      content = "-> " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_regular_file()) {
      content = content_of(entry.path());
    }
  }
  return all;
}

}  // namespace latentsync::test
