#include "tests/gst/host_test.h"

#include "tests/gst/process.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace latentsync::test {
namespace {

/// Of latentsyncbin and latentsync, by GStreamer's tracer of leaks: see main().
std::vector<std::string> live_elements() {
  std::vector<std::string> found;
  GList* const tracers = gst_tracing_get_active_tracers();
  for (GList* item = tracers; item; item = item->next) {
    if (std::string(G_OBJECT_TYPE_NAME(item->data)) != "GstLeaksTracer") continue;
    GstStructure* answer = nullptr;
    g_signal_emit_by_name(item->data, "get-live-objects", &answer);
    const GValue* const list = gst_structure_get_value(answer, "live-objects-list");
    for (guint i = 0; i < gst_value_list_get_size(list); ++i) {
      const GstStructure* const one = gst_value_get_structure(gst_value_list_get_value(list, i));
      // In GStreamer 1.22 the answer gives back a reference that it has not taken.
      g_object_ref(g_value_get_object(gst_structure_get_value(one, "object")));
      gchar* const text = gst_structure_to_string(one);
      // The class, "(GstLatentsync...)", is in it.
      if (std::strstr(text, "GstLatentsync")) found.emplace_back(text);
      g_free(text);
    }
    gst_structure_free(answer);
  }
  g_list_free_full(tracers, gst_object_unref);
  return found;
}

}  // namespace

std::unique_ptr<NumberedMedia> HostTest::media_;
std::string HostTest::title_, HostTest::second_, HostTest::irregular_, HostTest::speech_;

void HostTest::SetUpTestSuite() {
  media_ = std::make_unique<NumberedMedia>();
  title_ = media_->video_uri("title.mp4", 0, 100);
  second_ = media_->video_uri("second.mp4", 500, 50);
  irregular_ = media_->irregular_uri("irregular.mkv", title_);
  speech_ = media_->speech_uri("speech.wav", 12000);
}

void HostTest::TearDownTestSuite() { media_.reset(); }

void HostTest::SetUp() {
  ElementTest::SetUp();
  watch(std::chrono::seconds(60));
}

void HostTest::expect_freed() {
  const auto end = std::chrono::steady_clock::now() + patience(std::chrono::seconds(2));
  while (!live_elements().empty() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(live_elements(), std::vector<std::string>{}) << "elements are leaked";
}

std::string HostTest::file(const std::string& name) {
  return "file://" + (media_->folder() / name).string();
}

std::string HostTest::filter(const std::string& context) {
  return "latentsyncbin model-path=fake: audio-context=" + context + " audio-uri=" + speech_;
}

Ref<GstElement> HostTest::made_filter(const std::string& context) {
  return Ref<GstElement>(GST_ELEMENT(
      gst_object_ref_sink(gst_parse_bin_from_description(filter(context).c_str(), TRUE, nullptr))));
}

std::vector<SeenFrame> HostTest::of_the_command_line(const std::string& uri) {
  const std::string output = (media_->folder() / "command-line.mkv").string();
  const Finished finished =
      run_process("LATENTSYNC_ENGINE='" LATENTSYNC_FAKE_ENGINE
                  "' timeout -k 2 40 '" LATENTSYNC_TRANSCODE "' '" +
                  uri + "' --audio '" + speech_ + "' --no-cache -o '" + output + "'");
  EXPECT_EQ(finished.status, 0) << finished.output;
  const auto frames = frames_of_file("file://" + output);
  const auto plain = frames_of_file(uri);
  EXPECT_EQ(frames.size(), plain.size());
  for (size_t i = 0; i < std::min(frames.size(), plain.size()); ++i) {
    EXPECT_NE(frames[i].hash, plain[i].hash) << i << " is not edited";
  }
  return frames;
}

std::vector<SeenFrame> HostTest::frames_of_file(const std::string& uri) {
  Pipeline pipeline("uridecodebin uri=" + uri +
                    " ! videoconvert ! video/x-raw,format=I420 ! fakesink name=s sync=false");
  const FrameRecorder recorder(pad_of(pipeline.element("s").get()).get());
  EXPECT_TRUE(pipeline.play(std::chrono::seconds(20)));
  return recorder.frames();
}

Ref<GstElement> HostTest::made_sink(bool sync) {
  const std::string line = std::string("videoconvert ! video/x-raw,format=I420 ! fakesink sync=") +
                           (sync ? "true" : "false");
  return Ref<GstElement>(GST_ELEMENT(
      gst_object_ref_sink(gst_parse_bin_from_description(line.c_str(), TRUE, nullptr))));
}

Ref<GstPad> HostTest::pad_of(GstElement* sink) {
  if (!GST_IS_BIN(sink)) return Ref<GstPad>(gst_element_get_static_pad(sink, "sink"));
  GstIterator* sinks = gst_bin_iterate_sinks(GST_BIN(sink));
  GValue item = G_VALUE_INIT;
  Ref<GstPad> pad;
  if (gst_iterator_next(sinks, &item) == GST_ITERATOR_OK) {
    pad.reset(gst_element_get_static_pad(GST_ELEMENT(g_value_get_object(&item)), "sink"));
    g_value_unset(&item);
  }
  gst_iterator_free(sinks);
  return pad;
}

bool HostTest::change(GstElement* pipeline, GstState state) {
  gst_element_set_state(pipeline, state);
  return gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND) ==
         GST_STATE_CHANGE_SUCCESS;
}

bool HostTest::wait_eos(GstElement* pipeline) {
  const Ref<GstBus> bus(gst_element_get_bus(pipeline));
  const Ref<GstMessage> message(
      gst_bus_timed_pop_filtered(bus.get(), 20 * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  if (message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message.get(), &error, nullptr);
    ADD_FAILURE() << error->message;
    g_error_free(error);
  }
  return message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS;
}

void HostTest::expect_ascending(const std::vector<SeenFrame>& frames) {
  for (size_t i = 1; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].number, frames[i - 1].number + 1) << "after " << i;
    EXPECT_EQ(frames[i].stream_time - frames[i - 1].stream_time, kNumberedDuration);
  }
}

void HostTest::seek_at_random(GstElement* pipeline, const FrameRecorder& recorder) {
  std::minstd_rand random(11);
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  bool playing = false;
  for (int i = 0; i < 50; ++i) {
    const int ms = static_cast<int>(random() % 98) * 40;
    const auto flags = static_cast<GstSeekFlags>(
        GST_SEEK_FLAG_FLUSH | (random() % 2 ? GST_SEEK_FLAG_KEY_UNIT : GST_SEEK_FLAG_ACCURATE));
    ASSERT_TRUE(gst_element_seek_simple(pipeline, GST_FORMAT_TIME, flags, ms * GST_MSECOND)) << i;
    if (random() % 3) {
      const size_t most = playing && ms < 3000 ? 20 : 1;
      ASSERT_TRUE(recorder.wait_frames(1 + random() % most)) << i << " " << ms;
      const auto frames = recorder.frames();
      if (!frames.empty()) EXPECT_LE(std::abs(frames.front().number * 40 - ms), 400);
      expect_ascending(frames);
    }
    if (random() % 4 == 0) {
      playing = random() % 2;
      gst_element_set_state(pipeline, playing ? GST_STATE_PLAYING : GST_STATE_PAUSED);
    }
  }
  gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND);
  ASSERT_TRUE(gst_element_seek_simple(
      pipeline, GST_FORMAT_TIME,
      static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE), 0));
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  ASSERT_TRUE(recorder.wait_frames(100));
  EXPECT_EQ(recorder.frames().size(), 100U);
  expect_ascending(recorder.frames());
}

}  // namespace latentsync::test
