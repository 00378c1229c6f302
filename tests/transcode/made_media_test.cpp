#include "tests/transcode/operations.h"

#include <fstream>
#include <set>

#include <gtest/gtest.h>

/// tests/media/make.sh, with an ffmpeg that is slow and writes no media.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr char kSlowFfmpeg[] =
    "#!/bin/sh\n"
    "for file; do :; done\n"
    "echo \"${file##*/}\" >>log\n"
    "printf 'begin ' >\"$file\"\n"
    "sleep 0.01\n"
    "printf end >>\"$file\"\n";

/// Suites that need the files at the same time all get them whole, each file is made once, and one
/// that is killed leaves none that is cut off.
TEST(MadeMedia, IsWholeForSuitesAtTheSameTime) {
  const fs::path folder = empty_folder();
  fs::create_directory(folder / "bin");
  std::ofstream(folder / "bin/ffmpeg") << kSlowFfmpeg;
  fs::permissions(folder / "bin/ffmpeg", fs::perms::owner_all);
  const Finished finished = run_process(
      "cd '" + folder.string() +
      "' && export PATH=\"$PWD/bin:$PATH\"; make() { '" LATENTSYNC_SOURCE_ROOT
      "/tests/media/make.sh' made; }; '" LATENTSYNC_SOURCE_ROOT
      "/tests/media/make.sh' made & killed=$!; sleep 0.3; kill -KILL $killed; wait; sleep 0.1; "
      "mv made/log killed; for suite in 1 2 3; do (make && cat made/*.* >seen-$suite || echo "
      "failed) & done; wait");
  EXPECT_EQ(finished.output, "");
  const std::string seen = content_of(folder / "seen-1");
  EXPECT_GT(seen.size(), 500u);
  EXPECT_TRUE(content_of(folder / "seen-2") == seen);
  EXPECT_TRUE(content_of(folder / "seen-3") == seen);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "made")) {
    EXPECT_EQ(entry.path().filename().string().find("partial"), std::string::npos) << entry.path();
  }
  std::ifstream log(folder / "made/log");
  std::set<std::string> names;
  for (std::string name; std::getline(log, name);) {
    EXPECT_TRUE(names.insert(name).second) << name << " was made twice";
  }
  EXPECT_GT(names.size(), 50u);
}

}  // namespace
}  // namespace latentsync::test
