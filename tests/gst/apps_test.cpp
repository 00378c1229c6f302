#include "tests/gst/process.h"
#include "tests/gst/support.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>

namespace latentsync::test {
namespace {

constexpr char kPrograms[] = LATENTSYNC_SOURCE_ROOT "/examples/apps/";
constexpr int kFrames = 40;
constexpr int kFrameBytes = 64 * 48 * 3;

/// The programs of examples/apps with a small clip and the fake engine.
class Apps : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    make(
        "gst-launch-1.0 -q videotestsrc num-buffers=40 ! "
        "video/x-raw,format=RGB,width=64,height=48,framerate=25/1 ! tee name=t ! queue ! filesink "
        "location=in.rgb t. ! queue ! videoconvert ! x264enc key-int-max=10 ! mp4mux ! filesink "
        "location=in.mp4 audiotestsrc wave=ticks num-buffers=80 samplesperbuffer=320 ! "
        "audio/x-raw,rate=16000,channels=1 ! wavenc ! filesink location=speech.wav");
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override { watch(std::chrono::seconds(60)); }

  static Finished launch(const std::string& command) {
    return run_process("cd '" + folder_->path().string() + "' && timeout -k 2 40 " + command);
  }
  static void make(const std::string& command) {
    const Finished made = launch(command);
    ASSERT_EQ(made.status, 0) << made.output;
  }
  static long lines_of(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  }
  static std::filesystem::path file(const char* name) { return *folder_ / name; }
  /// Debian's Python: it has the bindings.
  static std::string python(const std::string& program) {
    return std::string("/usr/bin/python3 ") + kPrograms + program;
  }
  static std::unique_ptr<TemporaryFolder> folder_;
};
std::unique_ptr<TemporaryFolder> Apps::folder_;

/// Programs that there are in C and in Python.
class AppsInTwoLanguages : public Apps, public testing::WithParamInterface<const char*> {
 protected:
  static std::filesystem::path compiled(const std::string& name) {
    return std::filesystem::path(LATENTSYNC_SAY).parent_path() / name;
  }
  static std::string program(const std::string& name) {
    return GetParam() == std::string("C") ? compiled(name).string() : python(name + ".py");
  }
  /// GTK's headers may be missing.
  static bool has_window() { return GetParam() != std::string("C") || exists(compiled("window")); }
  static Finished window(const std::string& files, const std::string& property) {
    return launch("env LOUDSPEAKER='fakesink sync=true' xvfb-run -a " + program("window") + " " +
                  files + " " + property);
  }
};
INSTANTIATE_TEST_SUITE_P(, AppsInTwoLanguages, testing::Values("C", "Python"),
                         [](const auto& info) { return std::string(info.param); });

// The window plays to the end and closes, without a critical message.
TEST_P(AppsInTwoLanguages, WindowPlaysToTheEnd) {
  if (!has_window()) GTEST_SKIP() << "libgtk-3-dev is not installed";
  const Finished finished = window("in.mp4 speech.wav", "model-path=fake:");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output.find("CRITICAL"), std::string::npos) << finished.output;
}

// An error ends the program, and its sentence names the cause.
TEST_P(AppsInTwoLanguages, WindowSaysWhatIsWrong) {
  if (!has_window()) GTEST_SKIP() << "libgtk-3-dev is not installed";
  for (const auto& [files, property, part] :
       {std::tuple("in.mp4 speech.wav", "model-path=fake:load-failure=not-found", "fail at load()"),
        std::tuple("nowhere.mp4 speech.wav", "model-path=fake:", "nowhere.mp4\"")}) {
    const Finished finished = window(files, property);
    EXPECT_EQ(finished.status, 1) << finished.output;
    EXPECT_NE(finished.output.find(part), std::string::npos) << finished.output;
    EXPECT_EQ(finished.output.find("Traceback"), std::string::npos) << finished.output;
  }
}

// Two elements in a row edit every frame of the video.
TEST_P(AppsInTwoLanguages, TwoPeopleHaveTwoVoices) {
  const Finished finished =
      launch(program("two_people") + " in.mp4 speech.wav speech.wav out.mkv model-path=fake:");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output,
            "left frames-in 40 frames-edited 40 frames-passed 0\n"
            "right frames-in 40 frames-edited 40 frames-passed 0\n");
  const Finished streams =
      launch("ffprobe -v error -show_entries stream=codec_name -of csv=p=0 out.mkv");
  EXPECT_EQ(streams.output, "h264\nvorbis\n");
}

// An error names the element or the file, and says what to do.
TEST_P(AppsInTwoLanguages, TwoPeopleSaysWhatIsWrong) {
  for (const auto& [arguments, part] :
       {std::pair("in.mp4 speech.wav speech.wav out.mkv "
                  "model-path=fake:load-failure=not-found",
                  "t: The fake engine was told to fail at load()"),
        std::pair("nowhere.mp4 speech.wav speech.wav out.mkv", "nowhere.mp4\"")}) {
    const Finished finished = launch(program("two_people") + " " + arguments);
    EXPECT_EQ(finished.status, 1);
    EXPECT_NE(finished.output.find(part), std::string::npos) << finished.output;
    EXPECT_EQ(finished.output.find("Traceback"), std::string::npos) << finished.output;
  }
}

// A program that pushes frames and a synthesizer's speech gets the frames that the element makes of
// the same files.
TEST_P(AppsInTwoLanguages, SayReturnsTheElementsFrames) {
  make("sh -c 'espeak-ng --stdout -- \"This is a test.\" | tail -c +45 >speech.raw'");
  make(
      "gst-launch-1.0 -q filesrc location=in.rgb ! rawvideoparse format=rgb "
      "width=64 height=48 framerate=25/1 ! latentsync name=l model-path=fake: ! videoconvert ! "
      "video/x-raw,format=RGB ! filesink location=wanted.rgb filesrc location=speech.raw ! "
      "rawaudioparse format=pcm pcm-format=s16le sample-rate=22050 num-channels=1 ! queue ! "
      "l.audio_sink");
  const Finished finished =
      launch("sh -c '" + program("say") +
             " 64 48 25 \"This is a test.\" model-path=fake: <in.rgb >out.rgb'");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(finished.output, "");
  EXPECT_EQ(std::filesystem::file_size(file("out.rgb")), size_t(kFrames) * kFrameBytes);
  EXPECT_EQ(launch("cmp wanted.rgb out.rgb").output, "");
  EXPECT_NE(launch("cmp -s in.rgb out.rgb").status, 0) << "nothing is edited";
}

// With an error it ends, although its threads still have frames and speech to push, and says why.
TEST_P(AppsInTwoLanguages, SayEndsAfterAnError) {
  for (const char* property : {"model-path=fake:load-failure=not-found", "nonsense=1"}) {
    const Finished finished = launch("sh -c '" + program("say") + " 64 48 25 \"This is a test.\" " +
                                     property + " <in.rgb >out.rgb'");
    EXPECT_EQ(finished.status, 1) << finished.output;
    EXPECT_EQ(lines_of(finished.output), 1) << finished.output;
  }
}

// Without a synthesizer, and where its output cannot be written, it says so.
TEST_P(AppsInTwoLanguages, SayNamesWhatIsMissing) {
  Finished finished = launch("sh -c 'PATH=/nowhere " + program("say") +
                             " 64 48 25 Test model-path=fake: <in.rgb >out.rgb'");
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.output.find("install it"), std::string::npos) << finished.output;
  EXPECT_EQ(finished.output.find("Traceback"), std::string::npos) << finished.output;
  finished =
      launch("sh -c '" + program("say") + " 64 48 25 Test model-path=fake: <in.rgb >/dev/full'");
  EXPECT_EQ(finished.status, 1);
  EXPECT_EQ(finished.output, "OUT.rgb cannot be written\n");
}

}  // namespace
}  // namespace latentsync::test
