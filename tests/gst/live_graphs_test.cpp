#include "tests/gst/process.h"
#include "tests/gst/support.h"
#include "tests/support/temporary_folder.h"

/// The scripts of examples/live, with the real elements of Debian and a fake model.
namespace latentsync::test {
namespace {

class LiveGraphs : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(std::chrono::seconds(90));
    const Finished made =
        run_process("ffmpeg -v error -f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 '" +
                    clip().string() + "'");
    ASSERT_EQ(made.status, 0) << made.output;
  }

  std::filesystem::path clip() const { return folder_.path() / "clip.mkv"; }

  static Finished run(const std::string& script, const std::string& arguments,
                      const std::string& settings = {}) {
    return run_process("export OPTIONS=model-path=fake: " + settings +
                       "; timeout -k 2 60 '" LATENTSYNC_SOURCE_ROOT "/examples/live/" + script +
                       "' " + arguments);
  }

 private:
  TemporaryFolder folder_;
};

// A camera and a microphone, and a window.
TEST_F(LiveGraphs, WebcamRuns) {
  const Finished finished =
      run("webcam.sh", "",
          "CAMERA='videotestsrc is-live=true num-buffers=50' WINDOW=fakesink "
          "MICROPHONE='audiotestsrc is-live=true num-buffers=80' LOUDSPEAKER=fakesink");
  EXPECT_EQ(finished.status, 0) << finished.output;
}

// A talking head says what is written.
TEST_F(LiveGraphs, SpeakRuns) {
  if (run_process("command -v espeak-ng").status != 0) GTEST_SKIP() << "espeak-ng is not installed";
  const Finished finished =
      run("speak.sh", clip().string() + " 'Good morning.'", "WINDOW=fakesink LOUDSPEAKER=fakesink");
  EXPECT_EQ(finished.status, 0) << finished.output;
}

}  // namespace
}  // namespace latentsync::test
