#include "tests/gst/bin_fixture.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <thread>
#include <unistd.h>

/// latentsyncbin with audio-channel: the speech comes, or does not, by an interaudiosink of another
/// pipeline.
namespace latentsync::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BinChannel : public BinTest {
 protected:
  /// A file through the bin, in real time, whose windows are short.
  static std::string line(const std::string& properties) {
    return "uridecodebin uri=" + title() +
           " : videoconvert ! latentsyncbin name=l model-path=fake: window-frames=8 "
           "audio-lookahead=120000000 " +
           properties + " ! fakesink name=s sync=true";
  }
  static std::string speaker() {
    return "uridecodebin uri=" + speech() + " : audioconvert ! interaudiosink channel=talk";
  }
  static std::vector<int> range(int first, int last) {
    std::vector<int> numbers;
    for (int i = first; i <= last; ++i) numbers.push_back(i);
    return numbers;
  }

  /// Frames that were rendered since BEGIN heard speech that runs on with them, in most of them:
  /// the times in its file less those of the frames are the same, DISTANCE_MS and what the channel
  /// keeps: KEPT_MS, 150 ms, a period and a buffer of the speaker at most.
  static void expect_running_speech(size_t begin, size_t least, int distance_ms,
                                    std::optional<int>& kept_ms) {
    std::vector<int> distances;
    const auto all = heard();
    for (size_t i = begin; i < all.size(); ++i) {
      if (all[i].ms >= 0) distances.push_back(all[i].number * 40 - all[i].ms);
    }
    ASSERT_GE(distances.size(), least);
    std::ranges::sort(distances);
    const int median = distances[distances.size() / 2];
    std::printf("speech after its pipeline's time, ms: %d, of %zu frames\n", median - distance_ms,
                distances.size());
    const int kept = median - distance_ms;
    EXPECT_GE(kept, -30);
    EXPECT_LE(kept, 500);
    EXPECT_NEAR(kept, kept_ms.value_or(kept), 150);
    kept_ms = kept;
    const auto near = std::ranges::count_if(
        distances, [&](int distance) { return std::abs(distance - median) <= 30; });
    EXPECT_GE(static_cast<size_t>(near) * 10, distances.size() * 8);
  }
  /// How much later PIPELINE's running time begins than OTHER's.
  static int later_ms(const Pipeline& pipeline, const Pipeline& other) {
    return static_cast<int>(GST_CLOCK_DIFF(gst_element_get_base_time(other.get()),
                                           gst_element_get_base_time(pipeline.get())) /
                            static_cast<GstClockTimeDiff>(GST_MSECOND));
  }
};

// Frames are edited with the speech that arrives when they are due, from the start, after a seek in
// PLAYING and after a pause; audio-offset moves it.
TEST_F(BinChannel, EditedFramesMatchTheSpeechThatArrived) {
  watch(seconds(60));
  Pipeline other(speaker());
  Pipeline pipeline(line("audio-channel=talk"));
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(change(other, GST_STATE_PLAYING));
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  pipeline.start();
  ASSERT_TRUE(recorder.wait_frames(60));
  std::optional<int> kept;
  expect_running_speech(0, 30, -later_ms(pipeline, other), kept);
  size_t before = heard().size();
  ASSERT_TRUE(seek(pipeline, 400));
  ASSERT_TRUE(recorder.wait_frames(50));
  // From there the running time is 400 ms behind the numbers.
  expect_running_speech(before, 20, 400 - later_ms(pipeline, other), kept);
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  // What comes meanwhile is not kept.
  std::this_thread::sleep_for(milliseconds(700));
  // Two windows of what had come before.
  before = heard().size() + 16;
  g_object_set(pipeline.element("l").get(), "audio-offset", gint64{200} * GST_MSECOND, nullptr);
  pipeline.start();
  ASSERT_TRUE(recorder.wait_frames(88));
  expect_running_speech(before, 8, 600 - later_ms(pipeline, other), kept);
  EXPECT_EQ(pipeline.errors(), std::vector<std::string>{});
}

// While nothing comes nothing waits for it: PAUSED is reached, before and after a seek, and all
// frames come in their order, with one warning that names the channel.
TEST_F(BinChannel, NothingWaitsForAQuietChannel) {
  watch(seconds(60));
  Pipeline pipeline(line("audio-channel=nobody"));
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  EXPECT_EQ(numbers_of(recorder.frames()), range(0, 0));
  ASSERT_TRUE(seek(pipeline, 1200));
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  EXPECT_TRUE(pipeline.play(seconds(20)));
  EXPECT_EQ(numbers_of(recorder.frames()), range(30, 99));
  EXPECT_EQ(pipeline.errors(), std::vector<std::string>{});
  ASSERT_EQ(pipeline.warnings().size(), 1U) << testing::PrintToString(pipeline.warnings());
  EXPECT_NE(pipeline.warnings()[0].text.find("audio-channel=nobody"), std::string::npos);
}

// A sink that wants many frames before it is in PAUSED gets them.
TEST_F(BinChannel, PrerollOfManyFrames) {
  Pipeline pipeline("uridecodebin uri=" + title() +
                    " : videoconvert ! latentsyncbin model-path=fake: audio-channel=nobody ! "
                    "x264enc rc-lookahead=60 ! fakesink sync=true");
  EXPECT_TRUE(change(pipeline, GST_STATE_PAUSED));
}

// A live video hears the channel, too.
TEST_F(BinChannel, LiveVideo) {
  watch(seconds(60));
  Pipeline other(speaker());
  Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=50 ! "
      "video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! latentsyncbin name=l "
      "model-path=fake: window-frames=8 audio-lookahead=120000000 audio-channel=talk ! "
      "fakesink name=s sync=true");
  ASSERT_TRUE(change(other, GST_STATE_PLAYING));
  EXPECT_TRUE(pipeline.play(seconds(20)));
  EXPECT_EQ(pipeline.frames(), 50);
  const auto all = heard();
  EXPECT_GT(std::ranges::count_if(all, [](const Heard& one) { return one.ms >= 0; }), 20);
}

// Settings that contradict each other are an error that names them, and not with audio-sink, which
// takes the place of both.
TEST_F(BinChannel, ContradictionsAreTold) {
  const struct {
    std::string properties;
    std::vector<std::string> words;
  } cases[] = {{"audio-channel=talk audio-uri=" + speech(), {"audio-uri", "audio-channel"}},
               {"audio-channel=talk audio-context=whole", {"whole", "audio-channel", "sliding"}}};
  for (const auto& one : cases) {
    Pipeline pipeline(line(one.properties));
    EXPECT_FALSE(pipeline.play(seconds(5)));
    ASSERT_EQ(pipeline.errors().size(), 1U);
    for (const std::string& word : one.words) {
      EXPECT_NE(pipeline.errors()[0].find(word), std::string::npos) << pipeline.errors()[0];
    }
  }
}

// A channel that fails is told once, as on-audio-error says, and frames go on, after a seek too.
TEST_F(BinChannel, FailureIsTold) {
  watch(seconds(60));
  Pipeline other(speaker());
  Pipeline pipeline(line("audio-channel=talk"));
  const FrameRecorder recorder(sink_of(pipeline).get());
  const Ref<GstElement> filter(
      GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("identity", nullptr))));
  g_object_set(filter.get(), "error-after", 20, nullptr);
  g_object_set(pipeline.element("l").get(), "audio-filter", filter.get(), nullptr);
  ASSERT_TRUE(change(other, GST_STATE_PLAYING));
  pipeline.start();
  ASSERT_TRUE(recorder.wait_frames(30));
  ASSERT_TRUE(seek(pipeline, 2000));
  EXPECT_TRUE(pipeline.play(seconds(20)));
  EXPECT_EQ(numbers_of(recorder.frames()), range(50, 99));
  ASSERT_EQ(pipeline.warnings().size(), 1U) << testing::PrintToString(pipeline.warnings());
  EXPECT_NE(pipeline.warnings()[0].text.find("audio-channel=talk"), std::string::npos)
      << pipeline.warnings()[0].text;
}

}  // namespace
}  // namespace latentsync::test
