#include "tests/transcode/house_rule.h"
#include "tests/transcode/support.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

const char kTable[] = LATENTSYNC_SOURCE_ROOT "/tests/media/table.txt";
const fs::path kFolder = LATENTSYNC_TEST_MEDIA "/table";

/// One member of a kind of input, written to one kind of output.
struct Row {
  std::string kind;
  std::string file;
  std::string recipe;
  std::string arguments;
  std::string extension;
  int status = 0;
  std::string says;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.kind << ": " << row.file; }

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), with);
    at += with.size();
  }
}

/// The table's rows, one for each output.
std::vector<Row> table() {
  std::vector<Row> rows;
  std::ifstream stream(kTable);
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    std::vector<std::string> columns;
    std::istringstream parts(line);
    for (std::string part; std::getline(parts, part, '|');) {
      columns.push_back(trimmed(part));
    }
    columns.resize(7);
    std::istringstream extensions(columns[4]);
    for (std::string extension; extensions >> extension;) {
      rows.push_back({columns[0], columns[1], columns[2], columns[3], extension,
                      std::atoi(columns[5].c_str()), columns[6]});
    }
  }
  return rows;
}

class EveryKindOfInput : public testing::TestWithParam<Row> {};

/// Every member of every kind keeps the house rule, and ends as the table says.
TEST_P(EveryKindOfInput, KeepsTheHouseRule) {
  const Row& row = GetParam();
  const Finished made = run_process("'" LATENTSYNC_SOURCE_ROOT "/tests/media/table.sh' '" +
                                    kFolder.string() + "' '" + row.file + "' '" + row.recipe + "'");
  ASSERT_EQ(made.status, 0) << made.output;
  std::string arguments = row.arguments;
  replace_all(arguments, "FILE", kFolder / row.file);
  replace_all(arguments, "$clip", kFolder / "clip.mp4");
  replace_all(arguments, "$speech", kFolder / "speech.wav");
  const Finished finished =
      transcode(arguments + " -o " + (empty_folder() / ("out." + row.extension)).string());
  EXPECT_EQ(finished.status, row.status) << finished.output;
  EXPECT_NE(finished.output.find(row.says), std::string::npos) << finished.output;
}

INSTANTIATE_TEST_SUITE_P(Table, EveryKindOfInput, testing::ValuesIn(table()),
                         [](const testing::TestParamInfo<Row>& info) {
                           std::string name =
                               info.param.kind + "_" + info.param.file + "_" + info.param.extension;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

/// Inputs drawn at random keep the house rule. $LATENTSYNC_RANDOM_INPUTS: how
/// many, of which $LATENTSYNC_RANDOM_SEED is the first; a seed gives the same
/// again.
TEST(RandomInputs, KeepTheHouseRule) {
  const int first = number_from("LATENTSYNC_RANDOM_SEED", 1);
  const int count = number_from("LATENTSYNC_RANDOM_INPUTS", 40);
  const fs::path folder = fs::path(LATENTSYNC_TEST_MEDIA).parent_path() / "transcode/random";
  for (int seed = first; seed < first + count; ++seed) {
    const fs::path own = folder / std::to_string(seed);
    fs::remove_all(own);
    const Finished drawn = run_process("'" LATENTSYNC_SOURCE_ROOT "/tests/media/random_input.py' " +
                                       std::to_string(seed) + " '" + own.string() + "'");
    ASSERT_EQ(drawn.status, 0) << drawn.output;
    std::istringstream lines(drawn.output);
    std::string arguments;
    std::string extension;
    std::getline(lines, arguments);
    std::getline(lines, extension);
    SCOPED_TRACE("random_input.py " + std::to_string(seed) + ": " + arguments + " to " + extension);
    // GStreamer may stand still over a file that is cut off: it is given up soon.
    transcode(arguments + " -o " + (own / ("out." + extension)).string(), "LATENTSYNC_PATIENCE=10");
    if (!testing::Test::HasFailure()) {
      fs::remove_all(own);
    }
  }
}

}  // namespace
}  // namespace latentsync::test
