#include "tests/gst/flash_meter.h"
#include "tests/gst/live_script.h"
#include "tests/gst/process.h"
#include "tests/gst/told.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

/// What people see of the demo model: a mouth at rest, and a live camera.
namespace latentsync::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kMedia = LATENTSYNC_SOURCE_ROOT "/examples/media/";
const std::string kModel = "device=cpu model-path=" LATENTSYNC_SOURCE_ROOT "/models/demo ";

class DemoModel : public testing::Test {
 protected:
  static void SetUpTestSuite() { g_setenv("LATENTSYNC_ENGINE", LATENTSYNC_REAL_ENGINE, TRUE); }
  void SetUp() override {
    watch(seconds(240));
    take_warnings();
  }
  void TearDown() override { EXPECT_EQ(take_warnings(), std::vector<std::string>{}); }

  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
  static void make(const std::string& command) {
    const Finished made = run_process("ffmpeg -v error -y " + command);
    ASSERT_EQ(made.status, 0) << command << "\n" << made.output;
  }

 private:
  const TemporaryFolder folder_;
};

// silence=rest: a talking mouth closes within two frames after speech gets so quiet that it is
// below the threshold, and stays closed, where the model would have it go on talking.
TEST_F(DemoModel, MouthClosesAndStays) {
  constexpr size_t kEnd = 10;  // the frame at which it gets quiet, 0.4 s
  make("-i " + kMedia + "grid_drp-m.mp4 -an -vf scale=288:288 -frames:v 20 -c:v ffv1 " +
       file("in.mkv"));
  make(
      "-ss 2.1 -t 0.4 -i " + kMedia +
      "demo1_audio.wav -filter_complex '[0]asplit[a][b];[b]volume=-20dB[c];[a][c]concat=v=0:a=1' " +
      file("in.wav"));
  const Finished launched = run_process(
      "gst-launch-1.0 -m latentsync name=l measure-mouths=true silence=rest "
      "silence-threshold=-25 " +
      kModel + " ! fakesink filesrc location=" + file("in.mkv") +
      " ! matroskademux ! avdec_ffv1 ! queue ! l.video_sink filesrc location=" + file("in.wav") +
      " ! wavparse ! queue ! l.audio_sink");
  ASSERT_EQ(launched.status, 0) << launched.output;
  std::vector<double> openings;
  const std::regex opening(R"(mouth-opening\\*=\\*\(double\\*\)([-0-9.e]+))");
  for (std::sregex_iterator found(launched.output.begin(), launched.output.end(), opening), end;
       found != end; ++found) {
    openings.push_back(std::stod((*found)[1]));
  }
  ASSERT_EQ(openings.size(), 20u) << launched.output;
  std::printf("openings: %s\n", testing::PrintToString(openings).c_str());
  EXPECT_GE(*std::max_element(openings.begin(), openings.begin() + kEnd), 0.07) << "it talks";
  for (size_t frame = kEnd + 2; frame < openings.size(); ++frame) {
    EXPECT_LE(openings[frame], 0.05) << frame;
  }
}

/// Properties for a camera of so many frames/s, and what is to come of it on two cores.
struct Camera {
  int frames_per_second;
  const char* options;
  double edited;  ///< at least this part of the frames
};

class DemoModelLive : public DemoModel, public testing::WithParamInterface<Camera> {};

// examples/live/webcam.sh with a face. At 5 frames/s it is edited in time, with a quarter of the
// model's pixels; at 25 windows get fewer steps and pass. Either way no frame is missing or late.
TEST_P(DemoModelLive, Webcam) {
  const char* text = std::getenv("LATENTSYNC_DEMO_LIVE_SECONDS");
  if (text == nullptr) GTEST_SKIP() << "set LATENTSYNC_DEMO_LIVE_SECONDS, e.g. to 40";
  const auto [rate, options, least] = GetParam();
  make("-ss 1 -i " + kMedia + "grid_drp-m.mp4 -an -frames:v 1 " + file("face.png"));
  Pipeline pipeline(script_pipeline(
      "webcam.sh",
      {"CAMERA=filesrc location=" + file("face.png") +
           " ! pngdec ! imagefreeze is-live=true ! video/x-raw,framerate=25/1 ! videorate ! "
           "video/x-raw,framerate=" +
           std::to_string(rate) + "/1",
       "MICROPHONE=audiotestsrc is-live=true wave=ticks", "WINDOW=" + flash_sink(),
       "LOUDSPEAKER=" + beep_sink(), "OPTIONS=" + kModel + options}));
  const FlashMeter meter(pipeline);
  pipeline.start();
  const auto go_on = [&](milliseconds duration) {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) {
      ASSERT_FALSE(pipeline.read_message(milliseconds(5)));
    }
  };
  // The model is loaded, the latency has grown, and the steps have been chosen.
  go_on(seconds(30));
  const Ref<GstElement> element = pipeline.element("l");
  const auto before = stats_of(element.get());
  const GstClockTime begin = gst_util_get_timestamp();
  const seconds duration(std::atoi(text));
  go_on(duration);
  const auto after = stats_of(element.get());
  std::vector<double> lags = meter.lags(begin, gst_util_get_timestamp());
  std::ranges::sort(lags);
  const auto more = [&](const char* name) {
    return number(after.get(), name) - number(before.get(), name);
  };
  const auto expected = static_cast<size_t>(duration.count() * rate);
  ASSERT_GE(lags.size(), expected * 95 / 100);
  std::printf(
      "%d frames/s, %s: %zu frames in %ld s, %ld of %ld edited, %.1f to %.1f ms from the latency "
      "(95 %%: %.1f); answered %.2f s\n",
      rate, options, lags.size(), static_cast<long>(duration.count()),
      static_cast<long>(more("frames-edited")), static_cast<long>(more("frames-out")), lags.front(),
      lags.back(), lags[lags.size() * 95 / 100], static_cast<double>(pipeline.latency()) / 1e9);
  for (const auto& warning : pipeline.warnings()) std::printf("%s\n", warning.text.c_str());
  EXPECT_LE(lags[lags.size() * 95 / 100], 40);
  EXPECT_GE(static_cast<double>(more("frames-edited")),
            least * static_cast<double>(more("frames-out")));
}

INSTANTIATE_TEST_SUITE_P(
    , DemoModelLive,
    testing::Values(Camera{5, "resolution=128 inference-steps=1", 0.95},
                    Camera{25, "window-frames=8 audio-lookahead=200000000", 0}),
    [](const auto& info) { return "At" + std::to_string(info.param.frames_per_second); });

}  // namespace
}  // namespace latentsync::test
