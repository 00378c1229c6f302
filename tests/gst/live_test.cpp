#include "tests/gst/support.h"

#include <algorithm>
#include <atomic>
#include <thread>

/// Whole pipelines with a real clock: what is promised in a live graph.
namespace latentsync::test {
namespace {

class Live : public ElementTest {
 protected:
  struct Result {
    int frames = 0;
    GstClockTimeDiff latest = G_MININT64;  ///< a frame's arrival after its time and the latency
    int qos = 0;
    int errors = 0;
    bool ended = false;
  };

  /// Runs a pipeline until it ends; its sink is called "out" and does not wait for the clock.
  static Result run(const std::string& line) {
    Result result;
    GError* error = nullptr;
    GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
    if (pipeline == nullptr || error != nullptr) {
      ADD_FAILURE() << line << ": " << (error ? error->message : "");
      g_clear_error(&error);
      return result;
    }
    gst_object_ref_sink(pipeline);
    Watch watch{pipeline, &result};
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "out");
    GstPad* pad = gst_element_get_static_pad(sink, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, &watch, nullptr);
    gst_object_unref(pad);
    gst_object_unref(sink);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    const auto limit =
        static_cast<GstClockTime>(patience(std::chrono::seconds(15)).count()) * GST_MSECOND;
    const GstClockTime deadline = gst_util_get_timestamp() + limit;
    while (!result.ended && gst_util_get_timestamp() < deadline) {
      GstMessage* message = gst_bus_timed_pop(bus, 50 * GST_MSECOND);
      if (message == nullptr) continue;
      switch (GST_MESSAGE_TYPE(message)) {
        case GST_MESSAGE_EOS:
          result.ended = true;
          break;
        case GST_MESSAGE_ERROR:
          ++result.errors;
          result.ended = true;
          break;
        case GST_MESSAGE_QOS:
          ++result.qos;
          break;
        case GST_MESSAGE_LATENCY:
          gst_bin_recalculate_latency(GST_BIN(pipeline));
          break;
        default:
          break;
      }
      gst_message_unref(message);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(pipeline);
    return result;
  }

 private:
  struct Watch {
    GstElement* pipeline;
    Result* result;
  };

  static GstPadProbeReturn on_buffer(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
    const auto* watch = static_cast<Watch*>(data);
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    GstEvent* event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(event, &segment);
    const GstClockTime time =
        gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    gst_event_unref(event);
    const GstClockTime now = gst_element_get_current_running_time(watch->pipeline);
    const GstClockTime allowed = latency_of(watch->pipeline);
    watch->result->latest = std::max(watch->result->latest, GST_CLOCK_DIFF(time + allowed, now));
    ++watch->result->frames;
    return GST_PAD_PROBE_OK;
  }

  /// What the element says.
  static GstClockTime latency_of(GstElement* pipeline) {
    const Ref<GstElement> element(gst_bin_get_by_name(GST_BIN(pipeline), "l"));
    const Ref<GstPad> pad(gst_element_get_static_pad(element.get(), "src"));
    const Ref<GstQuery> query(gst_query_new_latency());
    GstClockTime least = 0;
    EXPECT_TRUE(gst_pad_query(pad.get(), query.get()));
    gst_query_parse_latency(query.get(), nullptr, &least, nullptr);
    return least;
  }
};

std::string live_line(const std::string& words, const std::string& more = {}) {
  return "latentsync name=l model-path=\"fake:" + words + "\" " + more +
         " ! fakesink name=out sync=false "
         "videotestsrc is-live=true num-buffers=75 ! video/x-raw,width=64,height=48,framerate=25/1 "
         "! l.video_sink "
         "audiotestsrc is-live=true num-buffers=190 samplesperbuffer=320 ! "
         "audio/x-raw,rate=16000,channels=1,format=S16LE "
         "! l.audio_sink";
}

// A fast engine: every frame of a live source comes, within the latency that the query told.
TEST_F(Live, FramesComeWithinTheLatency) {
  const Result result = run(live_line("step-delay=2ms", "render-latency=640000000"));
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.errors, 0);
  EXPECT_EQ(result.frames, 75);
  EXPECT_EQ(result.qos, 0);
  EXPECT_LE(result.latest, static_cast<GstClockTimeDiff>(60 * GST_MSECOND));
}

// An engine at half the speed of the stream: every frame comes, in time or with a QoS message.
TEST_F(Live, FramesOfASlowEngineComeInTimeOrAreTold) {
  const Result result = run(live_line("delay=1300ms"));
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.errors, 0);
  EXPECT_EQ(result.frames, 75);
  EXPECT_GT(result.qos, 0);
  EXPECT_LE(result.latest, static_cast<GstClockTimeDiff>(150 * GST_MSECOND));
}

// A live audio source that dies: the video goes on.
TEST_F(Live, VideoGoesOnWhenTheAudioEnds) {
  std::string line = live_line("");
  line.replace(line.find("num-buffers=190"), 15, "num-buffers=30");
  const Result result = run(line);
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.errors, 0);
  EXPECT_EQ(result.frames, 75);
}

// Not live, on a real clock: all frames come, and a seek back to the start brings them all again.
TEST_F(Live, AFileOfTestSourcesPlaysAndSeeks) {
  const std::string line =
      "latentsync name=l model-path=fake: ! fakesink name=out sync=false "
      "videotestsrc num-buffers=75 ! video/x-raw,width=64,height=48,framerate=25/1 ! queue ! "
      "l.video_sink "
      "audiotestsrc num-buffers=150 samplesperbuffer=320 ! "
      "audio/x-raw,rate=16000,channels=1,format=S16LE ! queue ! l.audio_sink";
  const Result result = run(line);
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.errors, 0);
  EXPECT_EQ(result.frames, 75);
}

// Seeks of a whole pipeline at random times, as a player does them, neither hang nor fail.
TEST_F(Live, SurvivesSeeksOfAPipeline) {
  watch(std::chrono::seconds(60));
  GstElement* pipeline = gst_parse_launch(
      "latentsync name=l model-path=\"fake:step-delay=1ms,record=off\" ! fakesink name=out "
      "sync=false "
      "videotestsrc num-buffers=3000 ! video/x-raw,width=64,height=48,framerate=25/1 ! queue ! "
      "l.video_sink "
      "audiotestsrc num-buffers=6000 samplesperbuffer=320 ! "
      "audio/x-raw,rate=16000,channels=1,format=S16LE ! queue ! l.audio_sink",
      nullptr);
  ASSERT_NE(pipeline, nullptr);
  gst_object_ref_sink(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  ASSERT_NE(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND),
            GST_STATE_CHANGE_FAILURE);
  uint64_t random = 9;
  for (int round = 0; round < 60; ++round) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto target = static_cast<gint64>((random >> 33) % 100 * GST_SECOND / 10);
    EXPECT_TRUE(gst_element_seek_simple(
        pipeline, GST_FORMAT_TIME,
        static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE), target));
    std::this_thread::sleep_for(std::chrono::microseconds((random >> 40) % 20000));
  }
  ASSERT_EQ(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND),
            GST_STATE_CHANGE_SUCCESS);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* error = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  EXPECT_EQ(error, nullptr);
  if (error) gst_message_unref(error);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
}

}  // namespace
}  // namespace latentsync::test
