#include "tests/gst/told.h"

#include <future>

/// Seeks that the sources refuse, in a pipeline whose sink prerolls as a player's does.
namespace latentsync::test {
namespace {

class RefusedSeek : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(std::chrono::seconds(15));
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(
        "latentsync name=l model-path=\"fake:record=off\" ! fakesink name=out "
        "videotestsrc name=video num-buffers=40 ! "
        "video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! queue ! l.video_sink "
        "audiotestsrc name=audio num-buffers=80 samplesperbuffer=320 ! "
        "audio/x-raw,rate=16000,channels=1,format=S16LE ! queue ! l.audio_sink",
        nullptr))));
    bus_.reset(gst_element_get_bus(pipeline_.get()));
  }
  void TearDown() override {
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
    bus_.reset();
    pipeline_.reset();
    ElementTest::TearDown();
  }

  /// The source answers SEEKING as before, and refuses when the seek comes.
  void refuse(const char* name) {
    const Ref<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
    const Ref<GstPad> pad(gst_element_get_static_pad(source.get(), "src"));
    gst_pad_set_event_function(pad.get(), [](GstPad* pad, GstObject* parent, GstEvent* event) {
      if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK) {
        return gst_pad_event_default(pad, parent, event);
      }
      gst_event_unref(event);
      return FALSE;
    });
  }

  bool wait_eos() {
    const Ref<GstMessage> end(gst_bus_timed_pop_filtered(
        bus_.get(), 10 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    return end && GST_MESSAGE_TYPE(end.get()) == GST_MESSAGE_EOS;
  }

  /// A flushing seek to the start, from a thread of its own.
  std::future<bool> seek() {
    return std::async(std::launch::async, [this] {
      constexpr auto flags =
          static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);
      return gst_element_seek(pipeline_.get(), 1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET, 0,
                              GST_SEEK_TYPE_NONE, 0) == TRUE;
    });
  }

  /// In PLAYING, with EOS on the bus.
  void play_to_the_end() {
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(wait_eos());
  }

  Ref<GstElement> pipeline_;
  Ref<GstBus> bus_;
};

// After the end of the stream a seek that both sources refuse returns, and says so.
TEST_F(RefusedSeek, AfterTheEndReturns) {
  refuse("video");
  refuse("audio");
  play_to_the_end();
  auto sought = seek();
  ASSERT_EQ(sought.wait_for(patience(std::chrono::seconds(4))), std::future_status::ready)
      << "the seek does not return";
  EXPECT_FALSE(sought.get());
}

// NULL returns too, whatever has become of the seek.
TEST_F(RefusedSeek, AfterTheEndCanBeStopped) {
  refuse("video");
  refuse("audio");
  play_to_the_end();
  auto sought = seek();
  sought.wait_for(std::chrono::milliseconds(200));
  auto stopped = std::async(std::launch::async,
                            [this] { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); });
  ASSERT_EQ(stopped.wait_for(patience(std::chrono::seconds(4))), std::future_status::ready)
      << "NULL does not return";
  EXPECT_EQ(sought.wait_for(patience(std::chrono::seconds(4))), std::future_status::ready);
}

// The same where one of the two makes the seek.
TEST_F(RefusedSeek, ByOneSourceReturns) {
  for (const char* name : {"video", "audio"}) {
    SCOPED_TRACE(name);
    TearDown();
    SetUp();
    refuse(name);
    play_to_the_end();
    auto sought = seek();
    ASSERT_EQ(sought.wait_for(patience(std::chrono::seconds(4))), std::future_status::ready)
        << "the seek does not return";
  }
}

// In PAUSED, before the end, it returns as well, and the stream goes on to its end.
TEST_F(RefusedSeek, InPausedReturnsAndGoesOn) {
  refuse("video");
  refuse("audio");
  gst_element_set_state(pipeline_.get(), GST_STATE_PAUSED);
  ASSERT_EQ(gst_element_get_state(pipeline_.get(), nullptr, nullptr, 5 * GST_SECOND),
            GST_STATE_CHANGE_SUCCESS);
  auto sought = seek();
  ASSERT_EQ(sought.wait_for(patience(std::chrono::seconds(4))), std::future_status::ready)
      << "the seek does not return";
  EXPECT_FALSE(sought.get());
  play_to_the_end();
}

}  // namespace
}  // namespace latentsync::test
