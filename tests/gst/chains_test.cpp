#include "tests/gst/host_test.h"
#include "tests/gst/process.h"

/// The scripts of examples/chains, with the real hosts and a fake model.
namespace latentsync::test {
namespace {

class Chains : public HostTest {
 protected:
  /// Ends the test unless the script does what it should; what it says.
  static std::string run(const std::string& script, const std::string& settings,
                         const std::string& arguments) {
    const Finished finished =
        run_process("export OPTIONS=model-path=fake:; export " + settings +
                    "; timeout -k 2 50 '" LATENTSYNC_SOURCE_ROOT "/examples/chains/" + script +
                    "' " + title() + " " + speech() + " " + arguments + " 2>&1");
    EXPECT_EQ(finished.status, 0) << finished.output;
    return finished.output;
  }
  static std::string path(const std::string& name) { return file(name).substr(7); }
  inline static const std::string kLossless = "PROFILE=video/x-matroska:video/x-ffv,ffvversion=1";
};

// playbin plays to the end, and windows are rendered.
TEST_F(Chains, Play) {
  const std::string output =
      run("play.sh", "LAUNCH='gst-launch-1.0 -m' WINDOW='fakesink sync=false' LOUDSPEAKER=fakesink",
          "");
  EXPECT_NE(output.find("latentsync-window"), std::string::npos) << output;
  EXPECT_NE(output.find("EOS"), std::string::npos) << output;
}

// uritranscodebin writes the element's frames.
TEST_F(Chains, Convert) {
  const auto wanted = expected("whole");
  run("convert.sh", kLossless, path("convert.mkv"));
  EXPECT_EQ(frames_of_file(file("convert.mkv")), wanted);
}

// A timeline has the frames of its cuts, all of them edited: the first window as in the whole
// title.
TEST_F(Chains, Edit) {
  const auto wanted = expected("whole");
  const auto plain = frames_of_file(title());
  run("edit.sh", kLossless + " CAPS=video/x-raw,width=96,height=64,framerate=25/1",
      path("edit.mkv"));
  const auto frames = frames_of_file(file("edit.mkv"));
  ASSERT_EQ(frames.size(), 50U);
  for (size_t i = 0; i < frames.size(); ++i) {
    const size_t number = i < 25 ? i : i + 25;
    EXPECT_EQ(frames[i].number, static_cast<int>(number));
    EXPECT_NE(frames[i].hash, plain[number].hash) << number;
    if (i < 16) EXPECT_EQ(frames[i].hash, wanted[number].hash) << number;
  }
}

// A file with the speech as its sound has the element's frames.
TEST_F(Chains, File) {
  const auto wanted = expected("whole");
  run("file.sh", "ENCODER=avenc_ffv1", path("file.mkv"));
  EXPECT_EQ(frames_of_file(file("file.mkv")), wanted);
  Pipeline sound("uridecodebin uri=" + file("file.mkv") + " caps=audio/x-raw : fakesink");
  EXPECT_TRUE(sound.play(std::chrono::seconds(20)));
}

}  // namespace
}  // namespace latentsync::test
