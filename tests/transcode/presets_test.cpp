#include "tests/transcode/support.h"

#include <fstream>

#include <gtest/gtest.h>

/// Presets on the command line: those that are shipped, and a user's own.
namespace latentsync::test {
namespace {

bool says(const Finished& finished, const std::string& words) {
  return finished.output.find(words) != std::string::npos;
}

/// A file of this test with TEXT.
std::string file_of(const std::string& text) {
  const std::string path = (empty_folder() / "presets.json").string();
  std::ofstream(path) << text;
  return path;
}

// All are listed with a word about each, a user's own among them.
TEST(PresetsOfTheCommandLine, AreListed) {
  const std::string own = file_of(R"({"ours": {"seed": 7}})");
  const Finished finished = transcode("--list-presets --presets " + own);
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_TRUE(says(finished, "interview     One speaker, looking at the camera\n"))
      << finished.output;
  EXPECT_TRUE(says(finished, "ours          from " + own + "\n")) << finished.output;
}

// A preset sets the element's properties, --set overrides it, and a user's own goes first.
TEST(PresetsOfTheCommandLine, SetProperties) {
  EXPECT_TRUE(says(transcode("--plan --preset lecture"), "budget 5735\n"));
  EXPECT_TRUE(says(transcode("--plan --preset lecture --set vram-budget=4100"), "budget 4100\n"));
  const std::string own =
      file_of(R"({"lecture": {"vram-budget": 3100, "attention-mode": "standard"}})");
  const Finished finished = transcode("--plan --preset lecture --presets " + own);
  EXPECT_TRUE(says(finished, "budget 3100\n")) << finished.output;
}

// What is wrong with a user's file is one line with the names that there are.
TEST(PresetsOfTheCommandLine, OfAUserAreChecked) {
  struct Case {
    std::string text;
    std::string says;
  };
  const Case cases[] = {
      {R"({"ours": {"sed": 7}})", "ours: sed: latentsync has no such property to set; there are "},
      {R"({"ours": {"memory-mode": "tiny"}})", "one of conservative, balanced, aggressive"},
      {R"({"ours": {"seed": [1]}})", "ours: seed: [1] is no text, number, true or false"},
      {R"({"ours": 3})", "ours: it must be {\"NAME\""},
      {"not json", "it must be {\"NAME\""},
      {R"({"theirs": {}})", "--preset ours: there is no such preset; there are theirs, "},
  };
  for (const Case& each : cases) {
    const Finished finished = transcode("--plan --preset ours --presets " + file_of(each.text));
    EXPECT_EQ(finished.status, 2) << finished.output;
    EXPECT_TRUE(says(finished, each.says)) << each.says << "\n" << finished.output;
  }
  EXPECT_EQ(transcode("--plan --presets /nowhere.json").status, 2);
}

}  // namespace
}  // namespace latentsync::test
