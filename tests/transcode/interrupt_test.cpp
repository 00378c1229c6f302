#include "tests/transcode/operations.h"

#include <chrono>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFrames = 40;  ///< of rate-25.mp4

/// Runs a shell script in FOLDER.
Finished script(const fs::path& folder, const std::string& commands) {
  return run_process("cd " + folder.string() + "; ulimit -c 0; " + commands);
}

double seconds_for(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Starts a job and waits until it writes, or until its first frame is made.
std::string writing(const std::string& arguments, const std::string& fake,
                    const char* until = "*.partial") {
  return job(arguments, "LATENTSYNC_FAKE=record=off," + fake) + " & job=$!; while ! ls " + until +
         " >/dev/null 2>&1 && kill -0 $job; do sleep 0.02; done; ";
}

struct Signal {
  const char* name;
  int status;  ///< of a process that it stops
};

void PrintTo(const Signal& signal, std::ostream* out) { *out << signal.name; }

class EndingSignal : public testing::TestWithParam<Signal> {
 protected:
  /// A command that sends it to the job.
  static std::string send() { return std::string("pkill -") + GetParam().name + " -P $job; "; }
};

constexpr char kHint[] = "the same command again goes on from the windows in the cache\n";

/// The first signal lets what is begun be finished: the file plays. A second one would end it.
TEST_P(EndingSignal, FinishesWhatIsBegun) {
  const fs::path folder = empty_folder();
  const Finished finished = script(
      folder, writing(media("seconds-2.mkv") + " --set window-frames=4 --frames png -o o.mkv",
                      "delay=300ms", "png/00000000.png") +
                  send() + "wait $job");
  EXPECT_EQ(finished.status, GetParam().status) << finished.output;
  EXPECT_NE(finished.output.find("interrupted: finishing what is begun"), std::string::npos)
      << finished.output;
  EXPECT_NE(finished.output.find(std::string("o.mkv: it ends early; ") + kHint), std::string::npos)
      << finished.output;
  const size_t frames = frames_of(folder / "o.mkv");
  EXPECT_GT(frames, 0u);
  EXPECT_LT(frames, 74u);
  EXPECT_EQ(contents(folder).count("o.mkv"), 1u);
}

/// The second one ends the process at once: one more line, and nothing is left.
TEST_P(EndingSignal, SecondOneEndsAtOnce) {
  if (std::string(GetParam().name) == "XCPU") GTEST_SKIP() << "it is repeated every second";
  const fs::path folder = empty_folder();
  Finished finished;
  const double seconds = seconds_for([&] {
    finished = script(
        folder, writing(media("seconds-2.mkv") + " --set window-frames=4 --frames png -o o.mkv",
                        "delay=1500ms,step-delay=0ms", "png/00000000.png") +
                    send() + "sleep 0.2; " + send() + "wait $job");
  });
  EXPECT_EQ(finished.status, GetParam().status) << finished.output;
  EXPECT_TRUE(finished.output.ends_with(
      std::string("\nlatentsync-transcode: interrupted: o.mkv is not written; ") + kHint))
      << finished.output;
  EXPECT_EQ(contents(folder).begin()->first, "png") << "something is left";
  EXPECT_LT(seconds, 5);
}

/// Before the first frame there is nothing to be finished.
TEST_P(EndingSignal, BeforeTheFirstFrameEndsAtOnce) {
  const fs::path folder = empty_folder();
  for (const char* fake : {"load-delay=20s", "delay=20s"}) {
    Finished finished;
    const double seconds = seconds_for([&] {
      finished = script(folder, writing(media("rate-25.mp4") + " -o o.mkv", fake) + "sleep 0.5; " +
                                    send() + "wait $job");
    });
    EXPECT_EQ(finished.status, GetParam().status) << finished.output;
    EXPECT_TRUE(finished.output.ends_with(
        std::string("latentsync-transcode: interrupted: o.mkv is not written; ") + kHint))
        << finished.output;
    EXPECT_TRUE(fs::is_empty(folder));
    EXPECT_LT(seconds, 5) << fake;
  }
}

INSTANTIATE_TEST_SUITE_P(Signals, EndingSignal,
                         testing::Values(Signal{"INT", 130}, Signal{"TERM", 143},
                                         Signal{"USR1", 143}, Signal{"HUP", 130},
                                         Signal{"XCPU", 130}),
                         [](const auto& info) { return std::string(info.param.name); });

/// Where the next run would find nothing, because there is no cache or the seed is drawn anew,
/// nothing is promised.
TEST(Signals, PromisesNothingWithoutACache) {
  const fs::path folder = empty_folder();
  for (const char* option : {"--no-cache", "--set disk-cache=false", "--set seed=-1"}) {
    const Finished finished =
        script(folder, writing(media("rate-25.mp4") + " -o o.mkv " + option, "delay=20s") +
                           "pkill -TERM -P $job; wait $job");
    EXPECT_EQ(finished.status, 143) << finished.output;
    EXPECT_TRUE(finished.output.ends_with("interrupted: o.mkv is not written\n"))
        << finished.output;
  }
}

/// nohup: a signal that was ignored at the start stays ignored.
TEST(Signals, IgnoredHangup) {
  const fs::path folder = empty_folder();
  // Not through timeout, which resets the signal.
  const Finished finished = script(
      folder, "trap '' HUP; LATENTSYNC_FAKE=delay=300ms LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE
              " " LATENTSYNC_TRANSCODE " " +
                  media("rate-25.mp4") +
                  " -o o.mkv & job=$!; while ! ls *.partial >/dev/null 2>&1 && kill -0 $job; do "
                  "sleep 0.02; done; kill -HUP $job; wait $job");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "o.mkv"), kFrames);
}

/// A signal that kills for another reason leaves nothing either.
TEST(Signals, KilledLeavesNothing) {
  const fs::path folder = empty_folder();
  for (const auto& [name, number] :
       {std::pair("QUIT", 3), {"ABRT", 6}, {"BUS", 7}, {"SEGV", 11}, {"USR2", 12}, {"ALRM", 14}}) {
    const Finished finished =
        script(folder, writing(media("rate-25.mp4") + " -o o.mkv", "delay=20s") + "pkill -" + name +
                           " -P $job; wait $job");
    EXPECT_EQ(finished.status, 128 + number) << name << finished.output;
    EXPECT_TRUE(fs::is_empty(folder)) << name;
  }
}

/// A list or report may be a pipe; Ctrl-C ends the wait for it.
TEST(Signals, EndsTheWaitForAPipe) {
  const fs::path folder = empty_folder();
  Finished finished = script(folder, "mkfifo pipe; " + job("--batch pipe -o made", "", 20) +
                                         " & job=$!; sleep 0.3; pkill -INT -P $job; wait $job");
  EXPECT_EQ(finished.status, 130) << finished.output;
  EXPECT_FALSE(fs::exists(folder / "made"));
  finished = script(folder,
                    writing(media("rate-25.mp4") + " -o o.mkv --stats pipe", "delay=0ms", "o.mkv") +
                        "sleep 0.2; pkill -INT -P $job; wait $job");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("interrupted: o.mkv is written, but not its report"),
            std::string::npos)
      << finished.output;
  EXPECT_EQ(frames_of(folder / "o.mkv"), kFrames);
  fs::remove(folder / "pipe");
  finished = script(folder, "mkfifo pipe; cat pipe >copy & " +
                                job(media("rate-25.mp4") + " -o o.mkv --stats pipe") +
                                " && wait && grep -c frames copy");
  EXPECT_EQ(finished.status, 0) << finished.output;
}

/// A program that runs its arguments with a standard error of its own.
std::string with_error(const std::string& prepare, const std::string& fake,
                       const std::string& then = "") {
  return "LATENTSYNC_FAKE=record=off," + fake +
         " LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE
         " timeout 40 python3 -c \"\nimport os, pty, socket, subprocess, sys, termios, time\n" +
         prepare + "\nchild = subprocess.Popen(sys.argv[1:], stderr=error)\n" + then +
         "\nsys.exit(child.wait())\" " LATENTSYNC_TRANSCODE " " + media("rate-25.mp4") +
         " -o o.mkv";
}

struct StandardError {
  const char* name;
  const char* prepare;
};

void PrintTo(const StandardError& error, std::ostream* out) { *out << error.name; }

class NobodyReads : public testing::TestWithParam<StandardError> {};

/// Progress that nobody reads is dropped; the work goes on to its end, and signals still end it.
TEST_P(NobodyReads, WorkGoesOn) {
  const fs::path folder = empty_folder();
  const Finished finished = script(folder, with_error(GetParam().prepare, "delay=100ms"));
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frames_of(folder / "o.mkv"), kFrames);
  EXPECT_EQ(contents(folder).size(), 1u);
}

TEST_P(NobodyReads, SignalsStillEndIt) {
  const fs::path folder = empty_folder();
  const Finished finished = script(
      folder, with_error(GetParam().prepare, "delay=20s", "time.sleep(1); child.terminate()"));
  EXPECT_EQ(finished.status, 143) << finished.output;
  EXPECT_TRUE(fs::is_empty(folder));
}

constexpr char kFullPipe[] = R"(
read, error = os.pipe()
os.set_blocking(error, False)
try:
    while True: os.write(error, b'x' * 4096)
except BlockingIOError: os.set_blocking(error, True)
)";
constexpr char kFullSocket[] = R"(
read, write = socket.socketpair()
error = write.fileno()
os.set_blocking(error, False)
try:
    while True: os.write(error, b'x')
except BlockingIOError: os.set_blocking(error, True)
)";
constexpr char kStoppedTerminal[] = R"(
master, error = pty.openpty()
termios.tcflow(error, termios.TCOOFF)
)";

INSTANTIATE_TEST_SUITE_P(
    Signals, NobodyReads,
    testing::Values(StandardError{"FullPipe", kFullPipe}, StandardError{"FullSocket", kFullSocket},
                    StandardError{"StoppedTerminal", kStoppedTerminal},
                    StandardError{"ReaderIsGone", "read, error = os.pipe(); os.close(read)"},
                    StandardError{
                        "SocketIsClosed",
                        "read, write = socket.socketpair(); read.close(); error = write.fileno()"},
                    StandardError{"Full", "error = os.open('/dev/full', os.O_WRONLY)"}),
    [](const testing::TestParamInfo<StandardError>& info) { return info.param.name; });

/// A batch goes on when the reader of its messages has gone.
TEST(Signals, BatchWithoutAReader) {
  const fs::path folder = empty_folder();
  const Finished finished = script(
      folder, "printf '%s\\n' " + media("rate-25.mp4") + " " + media("rate-30.mp4") + " >list; { " +
                  job("--batch list -o made 2>&1 >/dev/null", "LATENTSYNC_FAKE=delay=100ms") +
                  "; echo $? >status; } | true; cat status");
  EXPECT_EQ(finished.output, "0\n");
  EXPECT_EQ(frames_of(folder / "made/rate-30.mp4"), kFrames);
}

/// Messages do not get into a file that took the place of a closed stream.
TEST(Signals, ClosedStreams) {
  const fs::path folder = empty_folder();
  for (const char* closed : {"2>&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
    const Finished finished =
        script(folder, job(media("rate-25.mp4") + " -o o.mkv --stats s.json " + closed));
    EXPECT_EQ(finished.status, 0) << closed;
    EXPECT_EQ(frames_of(folder / "o.mkv"), kFrames);
    EXPECT_NE(script(folder, "grep -c '40 frames' o.mkv s.json").status, 0);
  }
}

}  // namespace
}  // namespace latentsync::test
