#include "tests/gst/support.h"

#include <algorithm>
#include <map>
#include <mutex>

/// Sound and picture at sinks that do not wait for the clock, in real time.
namespace latentsync::test {
namespace {

/// When what was shown and heard at each running time arrived.
struct Arrivals {
  std::mutex mutex;
  std::map<GstClockTime, GstClockTime> at;
};

GstPadProbeReturn note(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto* arrivals = static_cast<Arrivals*>(data);
  GstEvent* event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  const GstClockTime time = gst_segment_to_running_time(
      segment, GST_FORMAT_TIME, GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
  gst_event_unref(event);
  const std::lock_guard lock(arrivals->mutex);
  arrivals->at[time] = gst_util_get_timestamp();
  return GST_PAD_PROBE_OK;
}

class Together : public ElementTest {
 protected:
  /// How much later, in ms, the sound of each frame's time arrives than the frame, sorted.
  static std::vector<double> distances(const std::string& words, int frames) {
    const std::string line =
        "latentsync name=l model-path=\"fake:" + words +
        "\" ! fakesink name=v sync=false "
        "l.audio_src ! fakesink name=a sync=false "
        "videotestsrc is-live=true num-buffers=" +
        std::to_string(frames) +
        " ! video/x-raw,width=64,height=48,framerate=25/1 ! queue ! l.video_sink "
        "audiotestsrc is-live=true num-buffers=" +
        std::to_string(frames * 4) +
        " samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2,format=S16LE ! queue ! "
        "l.audio_sink";
    const Ref<GstElement> pipeline(
        GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), nullptr))));
    Arrivals video, audio;
    for (auto [name, arrivals] : {std::pair("v", &video), {"a", &audio}}) {
      const Ref<GstElement> sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), name));
      const Ref<GstPad> pad(gst_element_get_static_pad(sink.get(), "sink"));
      gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, note, arrivals, nullptr);
    }
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
    const Ref<GstMessage> end(gst_bus_timed_pop_filtered(
        bus.get(),
        static_cast<GstClockTime>(patience(std::chrono::seconds(20)).count()) * GST_MSECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    EXPECT_TRUE(end && GST_MESSAGE_TYPE(end.get()) == GST_MESSAGE_EOS);
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    EXPECT_EQ(video.at.size(), static_cast<size_t>(frames));
    EXPECT_EQ(audio.at.size(), static_cast<size_t>(frames) * 4);
    std::vector<double> result;
    for (const auto& [time, arrival] : video.at) {
      // The buffer that has this time in it.
      auto heard = audio.at.upper_bound(time);
      if (heard == audio.at.begin()) continue;
      --heard;
      result.push_back(static_cast<double>(GST_CLOCK_DIFF(arrival, heard->second)) / 1e6);
    }
    std::ranges::sort(result);
    return result;
  }

  /// 20 ms for the half in the middle: on a machine that is busy some wait for a processor.
  static void expect_together(const std::vector<double>& distances) {
    ASSERT_FALSE(distances.empty());
    const double early = distances[distances.size() / 4];
    const double late = distances[distances.size() * 3 / 4];
    RecordProperty("early-ms", std::to_string(early));
    RecordProperty("late-ms", std::to_string(late));
    EXPECT_GE(early, -20) << "ms";
    EXPECT_LE(late, 20) << "ms";
  }
};

// An engine that is fast enough, and one that is twice too slow.
TEST_F(Together, WithAFastEngine) { expect_together(distances("step-delay=2ms", 60)); }
TEST_F(Together, WithAnEngineThatIsTwiceTooSlow) {
  expect_together(distances("step-delay=320ms", 75));
}

}  // namespace
}  // namespace latentsync::test
