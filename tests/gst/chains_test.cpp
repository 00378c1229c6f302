#include "tests/gst/host_test.h"
#include "tests/gst/process.h"

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <unistd.h>

/// The scripts of examples/chains, with the real hosts and a fake model.
namespace latentsync::test {
namespace {

class Chains : public HostTest {
 protected:
  /// Ends the test unless the script does what it should; what it says.
  static std::string run(const std::string& script, const std::string& settings,
                         const std::string& arguments, const std::string& uri = title()) {
    const Finished finished = run_process(
        "export GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1; "
        "export OPTIONS=model-path=fake:; export " +
        settings + "; timeout -k 2 50 '" LATENTSYNC_SOURCE_ROOT "/examples/chains/" + script +
        "' " + uri + " " + speech() + " " + arguments + " 2>&1");
    EXPECT_EQ(finished.status, 0) << finished.output;
    return finished.output;
  }
  /// In what the leaks tracer lists at the end of gst-launch-1.0, none of our elements is alive.
  /// (uritranscodebin and ges-launch-1.0 of GStreamer 1.22 leak any effect, identity too.)
  static void expect_freed(const std::string& output) {
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_FALSE(line.find("object-alive") != std::string::npos &&
                   line.find("GstLatentsync") != std::string::npos)
          << line;
    }
  }
  static std::string path(const std::string& name) { return file(name).substr(7); }
  inline static const std::string kLossless =
      "PROFILE='video/x-matroska:video/x-ffv,ffvversion=1|variable-framerate=true'";
};

// playbin plays to the end, and windows are rendered.
TEST_F(Chains, Play) {
  const std::string output =
      run("play.sh", "LAUNCH='gst-launch-1.0 -m' WINDOW='fakesink sync=false' LOUDSPEAKER=fakesink",
          "");
  EXPECT_NE(output.find("latentsync-window"), std::string::npos) << output;
  EXPECT_NE(output.find("EOS"), std::string::npos) << output;
  expect_freed(output);
}

// uritranscodebin writes the frames of the command line.
TEST_F(Chains, Convert) {
  for (const std::string& uri : {title(), irregular()}) {
    SCOPED_TRACE(uri);
    run("convert.sh", kLossless, path("convert.mkv"), uri);
    EXPECT_EQ(frames_of_file(file("convert.mkv")), of_the_command_line(uri));
  }
}

// With the script's own profile, which is not lossless, each frame is there once, at its time.
TEST_F(Chains, ConvertKeepsEachFrame) {
  run("convert.sh", "LANG=C", path("convert.mkv"), irregular());
  const auto wanted = frames_of_file(irregular());
  const auto frames = frames_of_file(file("convert.mkv"));
  ASSERT_EQ(numbers_of(frames), numbers_of(wanted));
  for (size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].pts, wanted[i].pts) << i;
}

// A timeline has the frames of its cuts, all of them edited: the first window as in the whole
// title.
TEST_F(Chains, Edit) {
  const auto wanted = of_the_command_line();
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

// A file with the speech as its sound has the frames of the command line.
TEST_F(Chains, File) {
  for (const std::string& uri : {title(), irregular()}) {
    SCOPED_TRACE(uri);
    expect_freed(run("file.sh", "ENCODER=avenc_ffv1", path("file.mkv"), uri));
    EXPECT_EQ(frames_of_file(file("file.mkv")), of_the_command_line(uri));
  }
  Pipeline sound("uridecodebin uri=" + file("file.mkv") + " caps=audio/x-raw : fakesink");
  EXPECT_TRUE(sound.play(std::chrono::seconds(20)));
}

/// The RTSP server, until this ends.
class Server {
 public:
  explicit Server(const std::string& arguments) {
    const Finished started = run_process(
        "exec env OPTIONS='model-path=fake: audio-context=whole' PAYLOADER=rtpvrawpay "
        "/usr/bin/python3 '" LATENTSYNC_SOURCE_ROOT "/examples/chains/rtsp-server.py' " +
        arguments + " >/dev/null 2>&1 & echo $!");
    id_ = std::atoi(started.output.c_str());
  }
  ~Server() {
    if (id_ > 0) kill(id_, SIGKILL);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  pid_t id_ = 0;
};

/// A client that plays, as soon as the server takes it.
std::unique_ptr<Pipeline> rtsp_client(const std::string& address) {
  const auto end = std::chrono::steady_clock::now() + patience(std::chrono::seconds(15));
  while (std::chrono::steady_clock::now() < end) {
    auto client = std::make_unique<Pipeline>("rtspsrc location=" + address +
                                             " protocols=tcp latency=100 ! rtpvrawdepay ! "
                                             "fakesink name=s sync=true");
    client->start();
    for (int wait = 0; wait < 50 && client->errors().empty(); ++wait) {
      client->read_message(std::chrono::milliseconds(10));
    }
    if (client->errors().empty()) return client;
  }
  return nullptr;
}

// A client of an RTSP server gets the element's frames, and edited ones after its seeks.
TEST_F(Chains, RtspServer) {
  if (run_process("/usr/bin/python3 -c 'import gi; gi.require_version(\"GstRtspServer\", \"1.0\")'")
          .status != 0) {
    GTEST_SKIP() << "python3-gi and gir1.2-gst-rtsp-server-1.0 are not installed";
  }
  const auto wanted = of_the_command_line();
  const auto plain = frames_of_file(title());
  const std::string port = std::to_string(20000 + getpid() % 700 * 16 + 15);
  const Server server(title() + " " + speech() + " " + port);
  const auto client = rtsp_client("rtsp://127.0.0.1:" + port + "/file");
  ASSERT_TRUE(client);
  const FrameRecorder recorder(pad_of(client->element("s").get()).get());
  ASSERT_TRUE(recorder.wait_frames(20));
  const auto expect_edited = [&](const std::vector<SeenFrame>& frames) {
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].number, frames[0].number + static_cast<int>(i));
      EXPECT_NE(frames[i].hash, plain.at(static_cast<size_t>(frames[i].number)).hash) << i;
    }
  };
  for (const SeenFrame& frame : recorder.frames()) {
    EXPECT_EQ(frame.hash, wanted.at(static_cast<size_t>(frame.number)).hash) << frame.number;
  }
  expect_edited(recorder.frames());
  // The server goes to the key frame before it.
  for (const int number : {65, 15}) {
    ASSERT_TRUE(gst_element_seek_simple(
        client->get(), GST_FORMAT_TIME,
        static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT),
        number * kNumberedDuration));
    ASSERT_TRUE(recorder.wait_frames(20)) << number;
    const auto frames = recorder.frames();
    EXPECT_EQ(frames.front().number, number / 10 * 10);
    expect_edited(frames);
  }
}

}  // namespace
}  // namespace latentsync::test
