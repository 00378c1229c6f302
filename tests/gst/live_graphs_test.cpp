#include "tests/gst/flash_meter.h"
#include "tests/gst/live_script.h"
#include "tests/gst/process.h"
#include "tests/gst/rtsp_client.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

/// The scripts of examples/live, with the real elements of Debian and a fake model. A graph that
/// takes a live camera and a live microphone shows each change of the camera's picture within 20 ms
/// of its beep.
namespace latentsync::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Two changes of the picture arrive in it, and not much more.
constexpr milliseconds kTime(5800);

/// Short windows: a graph with two elements shows its first edited frame after 1.5 s.
const std::string kOptions =
    "OPTIONS=model-path=fake:record=off window-frames=8 audio-lookahead=120000000";
const std::string kCamera = std::string("CAMERA=") + kFlashes;
const std::string kMicrophone = std::string("MICROPHONE=") + kBeeps;
const std::string kWindow = "WINDOW=" + flash_sink();
const std::string kLoudspeaker = "LOUDSPEAKER=" + beep_sink();

/// H.264 and AAC of a demuxer "d", shown.
std::string shown(bool sync) {
  return " d. ! queue ! h264parse ! avdec_h264 ! videoconvert ! " + flash_sink(sync) +
         " d. ! queue ! aacparse ! avdec_aac ! audioconvert ! " + beep_sink(sync);
}

class LiveGraphs : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(seconds(90));
  }

  /// Lets them go on, side by side; none may end.
  static void go_on(const std::vector<Pipeline*>& pipelines, milliseconds duration = kTime) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) {
      for (Pipeline* pipeline : pipelines) {
        const auto ended = pipeline->read_message(milliseconds(5));
        ASSERT_FALSE(ended) << testing::PrintToString(pipeline->errors());
      }
    }
  }

  /// How much later the beeps are than at the sources.
  static std::vector<double> distances(const FlashMeter& sinks, const FlashMeter& sources) {
    std::vector<double> result = sinks.distances();
    const std::vector<double> before = sources.distances();
    EXPECT_FALSE(before.empty());
    if (!before.empty()) {
      for (double& distance : result) distance -= before.front();
    }
    std::printf("beep after flash, ms: %s\n", testing::PrintToString(result).c_str());
    return result;
  }

  static void expect_together(const FlashMeter& sinks, const FlashMeter& sources) {
    const std::vector<double> found = distances(sinks, sources);
    EXPECT_GE(found.size(), 2u) << "changes of the picture";
    for (const double distance : found) EXPECT_LE(std::abs(distance), 20) << "ms";
  }

  /// What PIPELINES say, from the camera on, and what it takes.
  static void print_latency(const FlashMeter& sinks, const FlashMeter& sources,
                            const std::vector<Pipeline*>& pipelines) {
    GstClockTime answered = 0;
    for (const Pipeline* pipeline : pipelines) answered += pipeline->latency();
    std::printf("latency answered: %.0f ms, measured: %s\n", static_cast<double>(answered) / 1e6,
                testing::PrintToString(sinks.delays(sources, answered)).c_str());
  }

  /// What a file of a graph has in it, by the element DEMUXER.
  static void expect_together_in(const std::filesystem::path& file, const std::string& demuxer,
                                 const FlashMeter& sources) {
    Pipeline reader("filesrc location=" + file.string() + " ! " + demuxer + " name=d" +
                    shown(false));
    const FlashMeter meter(reader);
    EXPECT_TRUE(reader.play(seconds(20))) << testing::PrintToString(reader.errors());
    expect_together(meter, sources);
  }

  const TemporaryFolder folder_;
};

// A camera and a microphone, and a window.
TEST_F(LiveGraphs, Webcam) {
  Pipeline pipeline(
      script_pipeline("webcam.sh", {kCamera, kMicrophone, kWindow, kLoudspeaker, kOptions}));
  const FlashMeter sources(pipeline, FlashMeter::Place::kSources);
  const FlashMeter sinks(pipeline);
  pipeline.start();
  go_on({&pipeline});
  expect_together(sinks, sources);
  print_latency(sinks, sources, {&pipeline});
}

// A talking head says what is written.
TEST_F(LiveGraphs, SpeakRuns) {
  if (run_process("command -v espeak-ng").status != 0) GTEST_SKIP() << "espeak-ng is not installed";
  const std::string clip = (folder_.path() / "clip.mkv").string();
  const Finished made = run_process(
      "ffmpeg -v error -f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 '" + clip + "'");
  ASSERT_EQ(made.status, 0) << made.output;
  const Finished finished = run_process(
      "export OPTIONS=model-path=fake: WINDOW=fakesink LOUDSPEAKER=fakesink; timeout -k 2 60 "
      "'" LATENTSYNC_SOURCE_ROOT "/examples/live/speak.sh' '" +
      clip + "' 'Good morning.'");
  EXPECT_EQ(finished.status, 0) << finished.output;
}

// RTP over UDP, from a graph that sends to one that receives; both have the element. A sender that
// is gone and comes back, with other SSRCs, is shown again.
TEST_F(LiveGraphs, RtpOutAndIn) {
  Pipeline receiver(script_pipeline("rtp-in.sh", {kWindow, kLoudspeaker, kOptions}, port(0)));
  const FlashMeter sinks(receiver);
  receiver.start();
  size_t shown = 0;
  // Until the next reports of a sender whose first ones came before its first packets.
  for (const milliseconds duration : {milliseconds(3000), milliseconds(10'800)}) {
    Pipeline sender(
        script_pipeline("rtp-out.sh", {kCamera, kMicrophone, kOptions}, "127.0.0.1 " + port(0)));
    const FlashMeter sources(sender, FlashMeter::Place::kSources);
    sender.start();
    go_on({&receiver, &sender}, duration);
    EXPECT_GE(sinks.frames().size(), shown + 25);
    if (shown > 0) {
      const std::vector<double> found = distances(sinks, sources);
      ASSERT_GE(found.size(), 4u);
      EXPECT_LE(std::abs(found.back()), 20) << "ms";
      print_latency(sinks, sources, {&sender, &receiver});
    }
    shown = sinks.frames().size();
  }
}

// An SRT caller, the relay, and an SRT listener.
TEST_F(LiveGraphs, Srt) {
  Pipeline receiver("srtsrc uri=srt://:" + port(9) + "?mode=listener ! tsdemux name=d" +
                    shown(true));
  Pipeline relay(script_pipeline("srt.sh", {kOptions}, port(8) + " srt://127.0.0.1:" + port(9)));
  Pipeline sender(std::string(kFlashes) +
                  " ! x264enc tune=zerolatency key-int-max=25 ! h264parse config-interval=-1 ! "
                  "queue ! m. " +
                  kBeeps +
                  " ! queue ! audioconvert ! audiofirfilter latency=1024 ! audioconvert ! "
                  "avenc_aac ! aacparse ! queue ! m. "
                  "mpegtsmux name=m alignment=7 ! srtsink uri=srt://127.0.0.1:" +
                  port(8));
  const FlashMeter sources(sender, FlashMeter::Place::kSources);
  const FlashMeter sinks(receiver);
  receiver.start();
  relay.start();
  sender.start();
  go_on({&receiver, &relay, &sender}, kTime + seconds(1));
  expect_together(sinks, sources);
  print_latency(sinks, sources, {&sender, &relay, &receiver});
}

// An HLS stream: its playlist names segments of two seconds.
TEST_F(LiveGraphs, Hls) {
  Pipeline sender(
      script_pipeline("hls.sh", {kCamera, kMicrophone, kOptions}, folder_.path().string()));
  const FlashMeter sources(sender, FlashMeter::Place::kSources);
  sender.start();
  go_on({&sender}, milliseconds(7800));
  const std::string folder = folder_.path().string();
  const Finished listed = run_process("cd " + folder + " && grep -A1 EXTINF:2 live.m3u8 && " +
                                      "cat segment0000[0-2].ts > all.ts");
  EXPECT_EQ(listed.status, 0) << listed.output;
  EXPECT_NE(listed.output.find("segment00002.ts"), std::string::npos) << listed.output;
  expect_together_in(folder_.path() / "all.ts", "tsdemux", sources);
}

// What is sent by RTMP.
TEST_F(LiveGraphs, Rtmp) {
  const std::filesystem::path file = folder_.path() / "sent.flv";
  Pipeline sender(
      script_pipeline("rtmp.sh", {kCamera, kMicrophone, kOptions, "SINK=filesink"}, file.string()));
  const FlashMeter sources(sender, FlashMeter::Place::kSources);
  sender.start();
  go_on({&sender});
  expect_together_in(file, "flvdemux", sources);
}

/// Whether each client has two changes of the picture within 20 ms of the beep.
bool together(const std::vector<const FlashMeter*>& clients) {
  for (const FlashMeter* client : clients) {
    const std::vector<double> found = client->distances();
    std::printf("beep after flash, ms: %s\n", testing::PrintToString(found).c_str());
    const auto near = [](double distance) { return std::abs(distance) <= 20; };
    if (found.size() < 2 || !std::ranges::all_of(found, near)) return false;
  }
  return true;
}

// Two clients of an RTSP server show the same live graph. Its sources are in another process: where
// they began apart on a busy machine, another server is tried.
TEST_F(LiveGraphs, RtspToTwoClients) {
  if (!has_rtsp_server()) GTEST_SKIP() << kNoRtspServer;
  bool found = false;
  for (int number = 10; number < 13 && !found; ++number) {
    const Running server(
        script_command("rtsp-server.py", {kCamera, kMicrophone, kOptions}, port(number)));
    const std::string address = "rtsp://127.0.0.1:" + port(number) + "/live";
    const auto first = rtsp_client(address);
    ASSERT_TRUE(first);
    const FlashMeter first_meter(*first);
    const auto second = rtsp_client(address);
    ASSERT_TRUE(second);
    const FlashMeter second_meter(*second);
    go_on({first.get(), second.get()}, kTime);
    found = together({&first_meter, &second_meter});
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace latentsync::test
