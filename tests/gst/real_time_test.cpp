#include "tests/gst/flash_meter.h"
#include "tests/gst/live_script.h"
#include "tests/gst/process.h"
#include "tests/gst/rtsp_client.h"
#include "tests/gst/told.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

/// RTP and RTSP graphs on the real clock: frames arrive when the answered latency is over, however
/// slow the engine is, before and after the sender has been killed.
namespace latentsync::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// How long a graph runs: LATENTSYNC_LIVE_SECONDS, e.g. 120, or some seconds, for one of them.
seconds duration() {
  const char* text = std::getenv("LATENTSYNC_LIVE_SECONDS");
  return seconds(text ? std::atoi(text) : 8);
}
bool is_short() { return std::getenv("LATENTSYNC_LIVE_SECONDS") == nullptr; }

/// A graph, and what is to come of it.
struct Expected {
  const char* words;  ///< of the engine
  double edited;      ///< at least this part of the frames
};
/// A window of eight frames lasts 320 ms.
constexpr Expected kTwiceTooSlow{"step-delay=160ms", 0.45};
constexpr Expected kThreeTimesFastEnough{"step-delay=26ms", 1};

/// The latency does not grow while frames are being sent.
std::string options(const Expected& expected) {
  return "OPTIONS=model-path=fake:record=off," + std::string(expected.words) +
         " window-frames=8 audio-lookahead=120000000 render-latency=680000000";
}

const std::string kCamera = std::string("CAMERA=") + kFlashes;
const std::string kMicrophone = std::string("MICROPHONE=") + kBeeps;

class RealTime : public ElementTest, public testing::WithParamInterface<Expected> {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(duration() + seconds(90));
  }

  static void go_on(Pipeline& pipeline, milliseconds duration) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) {
      const auto ended = pipeline.read_message(milliseconds(5));
      ASSERT_FALSE(ended) << testing::PrintToString(pipeline.errors());
    }
  }

  /// Until METER shows frames again, and then until the streams have been
  /// related to each other.
  static void settle(Pipeline& pipeline, const FlashMeter& meter) {
    const size_t before = meter.frames().size();
    const auto end = std::chrono::steady_clock::now() + patience(seconds(15));
    while (meter.frames().size() < before + 10 && std::chrono::steady_clock::now() < end) {
      go_on(pipeline, milliseconds(50));
    }
    go_on(pipeline, settling());
  }

  /// Each frame that METER of PIPELINE shows arrives within 40 ms of the latency; on a machine that
  /// is busy some wait for a processor.
  static void expect_in_time(Pipeline& pipeline, const FlashMeter& meter) {
    const milliseconds duration = shown() - settling();
    const GstClockTime begin = gst_util_get_timestamp();
    go_on(pipeline, duration);
    std::vector<double> lags = meter.lags(begin, gst_util_get_timestamp());
    ASSERT_GE(lags.size(), static_cast<size_t>(duration / milliseconds(40)) * 9 / 10);
    std::ranges::sort(lags);
    const auto outside = std::ranges::count_if(lags, [](double lag) { return std::abs(lag) > 40; });
    std::printf(
        "%zu frames, %.1f to %.1f ms from the latency, %ld more than 40; answered %.0f ms\n",
        lags.size(), lags.front(), lags.back(), static_cast<long>(outside),
        static_cast<double>(pipeline.latency()) / 1e6);
    EXPECT_LE(outside, static_cast<long>(lags.size() / 20));
  }

  static milliseconds settling() { return std::min<milliseconds>(duration() / 6, seconds(5)); }
  static milliseconds away() { return std::min<milliseconds>(duration() / 3, seconds(20)); }
  static milliseconds shown() { return (duration() - away()) / 2; }
};

/// Frames that ELEMENT has output, and those that are edited.
struct Counts {
  int64_t frames = 0;
  int64_t edited = 0;
};
Counts counts_of(const Ref<GstElement>& element) {
  const auto stats = stats_of(element.get());
  return {number(stats.get(), "frames-out"), number(stats.get(), "frames-edited")};
}

// What a sender and a receiver with the element show.
TEST_P(RealTime, Rtp) {
  if (is_short() && GetParam().edited == 1) GTEST_SKIP() << "set LATENTSYNC_LIVE_SECONDS";
  Pipeline receiver(script_pipeline(
      "rtp-in.sh", {"WINDOW=" + flash_sink(), "LOUDSPEAKER=" + beep_sink(), options(GetParam())},
      port(0)));
  const FlashMeter meter(receiver);
  receiver.start();
  const Ref<GstElement> element = receiver.element("l");
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again ? "the sender is back" : "before");
    if (again) go_on(receiver, away());
    const Running sender(script_command("rtp-out.sh", {kCamera, kMicrophone, options(GetParam())},
                                        "127.0.0.1 " + port(0)));
    settle(receiver, meter);
    const Counts before = counts_of(element);
    expect_in_time(receiver, meter);
    const Counts after = counts_of(element);
    const int64_t frames = after.frames - before.frames;
    const int64_t edited = after.edited - before.edited;
    std::printf("%ld of %ld frames edited\n", static_cast<long>(edited), static_cast<long>(frames));
    // A window may have been begun before.
    EXPECT_GE(static_cast<double>(edited + 8), GetParam().edited * static_cast<double>(frames));
  }
}

/// A camera and a microphone of this process for a server in another one.
class SharedSources {
 public:
  SharedSources()
      : pipeline_(std::string(kFlashes) + sink("camera") + kBeeps + sink("microphone")),
        meter_(pipeline_, FlashMeter::Place::kSources) {
    pipeline_.start();
  }

  /// For a script.
  std::vector<std::string> settings() const {
    return {
        "CAMERA=" + source("camera") + "video/x-raw,format=I420,width=64,height=48,framerate=25/1",
        "MICROPHONE=" + source("microphone") +
            "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved"};
  }
  const FlashMeter& meter() const { return meter_; }

 private:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string sink(const std::string& name) const {
    return " ! shmsink wait-for-connection=false sync=false socket-path=" + path(name) + " ";
  }
  std::string source(const std::string& name) const {
    return "shmsrc is-live=true do-timestamp=true socket-path=" + path(name) + " ! ";
  }

  const TemporaryFolder folder_;
  Pipeline pipeline_;
  FlashMeter meter_;
};

// What an RTSP server with the element has its clients show.
TEST_P(RealTime, Rtsp) {
  if (is_short()) GTEST_SKIP() << "set LATENTSYNC_LIVE_SECONDS";
  if (!has_rtsp_server()) GTEST_SKIP() << kNoRtspServer;
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again ? "the server is back" : "before");
    if (again) std::this_thread::sleep_for(away());
    const SharedSources sources;
    auto settings = sources.settings();
    settings.push_back(options(GetParam()));
    const Running server(script_command("rtsp-server.py", settings, port(4)));
    const auto client = rtsp_client("rtsp://127.0.0.1:" + port(4) + "/live");
    ASSERT_TRUE(client);
    const FlashMeter meter(*client);
    settle(*client, meter);
    expect_in_time(*client, meter);
    std::printf("from the camera to the client, ms: %s\n",
                testing::PrintToString(meter.delays(sources.meter(), 1300 * GST_MSECOND)).c_str());
  }
}

INSTANTIATE_TEST_SUITE_P(, RealTime, testing::Values(kTwiceTooSlow, kThreeTimesFastEnough),
                         [](const auto& info) {
                           return info.index == 0 ? "TwiceTooSlow" : "ThreeTimesFastEnough";
                         });

}  // namespace
}  // namespace latentsync::test
