#include "tests/transcode/operations.h"

#include <string>

#include <gtest/gtest.h>

/// What the exit status promises to a scheduler: whether the same command can succeed later.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

struct Cause {
  const char* words;  ///< of the fake engine
  int status;
};

void PrintTo(const Cause& cause, std::ostream* out) { *out << cause.words; }

class StatusOfCause : public testing::TestWithParam<Cause> {};

/// Each cause that the element gives up for, at loading and at rendering, has its status.
TEST_P(StatusOfCause, IsStable) {
  const fs::path folder = empty_folder();
  for (const char* when : {"load-failure=", "render-failure="}) {
    const std::string words = when + std::string(GetParam().words) + (*when == 'r' ? "@1" : "");
    const Finished finished =
        transcode(media("rate-25.mp4") + " --no-cache -o " + (folder / "o.mkv").string(),
                  "LATENTSYNC_FAKE=" + words);
    EXPECT_EQ(finished.status, GetParam().status) << words << "\n" << finished.output;
  }
}

INSTANTIATE_TEST_SUITE_P(ExitStatus, StatusOfCause,
                         testing::Values(Cause{"not-found", 3}, Cause{"damaged-file", 3},
                                         Cause{"foreign-model", 3}, Cause{"unsupported", 3},
                                         Cause{"invalid-argument", 3}, Cause{"out-of-memory", 4},
                                         Cause{"device", 75}, Cause{"unreadable", 1},
                                         Cause{"internal", 1}),
                         [](const auto& info) {
                           std::string name = info.param.words;
                           std::erase(name, '-');
                           return name;
                         });

/// An output that another job is writing is free again later.
TEST(ExitStatus, BusyOutput) {
  const fs::path folder = empty_folder();
  const Finished finished =
      run_process("cd '" + folder.string() + "' && exec 9>.o.mkv.latentsync-lock && flock 9 && " +
                  job(media("rate-25.mp4") + " -o o.mkv 9>&-"));
  expect_refused(finished, "another job is writing o.mkv", 75);
}

/// A batch answers with the failure that a retry is most likely to mend, whatever the order.
TEST(ExitStatus, OfABatchIsTheMostHopeful) {
  const fs::path folder = empty_folder();
  const std::string bad = media("not-media.mp4");
  const std::string good = media("short.mp4");
  const auto batch = [&](const std::string& lines, const std::string& environment) {
    return run_process("cd '" + folder.string() + "' && rm -rf made && printf '%s\\n' " + lines +
                       " >list && " + job("--batch list --no-cache -o made", environment))
        .status;
  };
  EXPECT_EQ(batch(good + " " + bad, ""), 3);
  const std::string device = "LATENTSYNC_FAKE=render-failure=device@0";
  EXPECT_EQ(batch(good + " " + bad, device), 75);
  EXPECT_EQ(batch(bad + " " + good, device), 75);
  EXPECT_EQ(batch(bad + " " + good, "LATENTSYNC_FAKE=render-failure=internal@0"), 1);
}

}  // namespace
}  // namespace latentsync::test
