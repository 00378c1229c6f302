#include "tests/gst/clip.h"
#include "tests/gst/told.h"

namespace latentsync::test {
namespace {

class Seek : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Seek);

GstEvent* flushing_seek() {
  return gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                            GST_SEEK_TYPE_NONE, 0);
}

/// A seek, and NULL from another thread at the worst time: the state change has ended the source
/// thread and stands before video_sink until the flush of audio_sink has begun that thread again.
/// STOPPING is called when it stands there.
void seek_while_stopping(Rig& rig, const std::function<void()>& stopping = {}) {
  const Ref<GstPad> video_sink(gst_element_get_static_pad(rig.element(), "video_sink"));
  std::jthread stopper;
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.on_seek = [&](GstEvent*) {
    GST_PAD_STREAM_LOCK(video_sink.get());
    stopper = std::jthread([&] { rig.stop(); });
    while (GST_PAD_MODE(video_sink.get()) != GST_PAD_MODE_NONE) std::this_thread::yield();
    if (stopping) stopping();
  };
  rig.audio.on_seek = [](GstEvent*) {};
  rig.send_upstream(flushing_seek());
  GST_PAD_STREAM_UNLOCK(video_sink.get());
}

/// Blocks whoever posts that the model is loaded, until it is told to go on.
class LoadGate {
 public:
  explicit LoadGate(Rig& rig) : pipeline_(GST_ELEMENT(gst_element_get_parent(rig.element()))) {
    const Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gst_bus_set_sync_handler(bus.get(), &LoadGate::message, this, nullptr);
  }
  ~LoadGate() {
    go_on();
    const Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
  }
  LoadGate(const LoadGate&) = delete;
  LoadGate& operator=(const LoadGate&) = delete;

  void wait() const { reached_.wait(false); }
  void go_on() {
    open_ = true;
    open_.notify_all();
  }

 private:
  static GstBusSyncReply message(GstBus*, GstMessage* message, gpointer data) {
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_PROGRESS) return GST_BUS_PASS;
    GstProgressType type = GST_PROGRESS_TYPE_ERROR;
    gst_message_parse_progress(message, &type, nullptr, nullptr);
    if (type != GST_PROGRESS_TYPE_COMPLETE) return GST_BUS_PASS;
    auto* self = static_cast<LoadGate*>(data);
    self->reached_ = true;
    self->reached_.notify_all();
    self->open_.wait(false);
    return GST_BUS_PASS;
  }

  Ref<GstElement> pipeline_;
  std::atomic<bool> reached_ = false;
  std::atomic<bool> open_ = false;
};

// NULL during a seek: the source thread that the seek begins again finds all that it needs, however
// long the inference thread takes to end.
TEST_P(Seek, SurvivesNull) {
  fake::behave("load-delay=20ms,load-steps=1");
  for (int round = 0; round < 25; ++round) {
    Rig rig(GetParam());
    rig.start();
    seek_while_stopping(rig);
  }
}

// NULL during a seek just when the model has been loaded: nobody waits for what the inference
// thread, which ends, does not do any more.
TEST_P(Seek, SurvivesNullAtTheEndOfALoad) {
  Rig rig(GetParam());
  LoadGate gate(rig);
  rig.start();
  gate.wait();
  seek_while_stopping(rig, [&] {
    gate.go_on();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
}

// Where the audio, or the video, cannot seek, a flushing seek is refused before anything happens:
// no source sees it, nothing is flushed, no frame is missing.
TEST_P(Seek, IsRefusedWhereASourceCannot) {
  for (const bool video : {true, false}) {
    SCOPED_TRACE(video ? "video" : "audio");
    Rig rig(GetParam());
    rig.start();
    rig.video.seekable = !video;
    rig.audio.seekable = video;
    (video ? rig.video : rig.audio).refuses_seeks = true;
    feed(rig, Clip{});
    ASSERT_TRUE(rig.wait_buffers(1));
    EXPECT_FALSE(rig.send_upstream(flushing_seek()));
    EXPECT_EQ(rig.video.events(GST_EVENT_SEEK), 0);
    EXPECT_EQ(rig.audio.events(GST_EVENT_SEEK), 0);
    ASSERT_TRUE(rig.wait_eos());
    expect_frames(rig.take_buffers(), Clip{});
  }
}

// Only time can be sought: seeks in bytes or frames are refused before anything happens.
TEST_P(Seek, IsRefusedInOtherFormats) {
  Rig rig(GetParam());
  rig.start();
  rig.video.seekable = rig.audio.seekable = true;
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(1));
  for (const GstFormat format : {GST_FORMAT_BYTES, GST_FORMAT_DEFAULT}) {
    for (const GstSeekFlags flags : {GST_SEEK_FLAG_FLUSH, GST_SEEK_FLAG_NONE}) {
      EXPECT_FALSE(rig.send_upstream(
          gst_event_new_seek(1.0, format, flags, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0)));
    }
  }
  EXPECT_EQ(rig.video.events(GST_EVENT_SEEK), 0);
  EXPECT_EQ(rig.audio.events(GST_EVENT_SEEK), 0);
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), Clip{});
}

// Both sources said that they can seek, and refuse it all the same: nothing has happened. Nothing
// is flushed, no segment begins, no frame is missing.
TEST_P(Seek, ChangesNothingWhereItIsRefused) {
  Rig rig(GetParam());
  rig.start();
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.refuses_seeks = rig.audio.refuses_seeks = true;
  // The seek comes before the end.
  rig.sink_delay(std::chrono::milliseconds(5));
  Clip clip;
  clip.frames = 200;
  feed(rig, clip);
  ASSERT_TRUE(rig.wait_buffers(1));
  EXPECT_FALSE(rig.send_upstream(flushing_seek()));
  rig.sink_delay(std::chrono::milliseconds(0));
  ASSERT_TRUE(rig.wait_eos());
  auto outputs = rig.take();
  EXPECT_TRUE(events_of(outputs, GST_EVENT_FLUSH_START).empty());
  EXPECT_TRUE(events_of(outputs, GST_EVENT_FLUSH_STOP).empty());
  EXPECT_EQ(events_of(outputs, GST_EVENT_SEGMENT).size(), 1u);
  expect_frames(buffers_of(std::move(outputs)), clip);
}

// The same after the end of the stream: nothing comes any more, and a seek that is made then begins
// anew.
TEST_P(Seek, ChangesNothingAfterTheEndWhereItIsRefused) {
  Rig rig(GetParam());
  expect_frames(run(rig, Clip{}), Clip{});
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.refuses_seeks = rig.audio.refuses_seeks = true;
  EXPECT_FALSE(rig.send_upstream(flushing_seek()));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(rig.take().empty());
  rig.video.refuses_seeks = rig.audio.refuses_seeks = false;
  ASSERT_TRUE(seek(rig, Clip{}));
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), Clip{});
}

// Sources that refuse a seek after they have flushed: what they send then comes out.
TEST_P(Seek, GoesOnAfterALateRefusal) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(1));
  rig.video.refuses_seeks = rig.audio.refuses_seeks = true;
  Clip clip;
  clip.first = 25;
  EXPECT_FALSE(seek(rig, clip));
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// The audio refuses a seek that the video has made: the video that comes then comes out.
TEST_P(Seek, GoesOnWhereTheVideoAloneWent) {
  Rig rig(GetParam());
  rig.start();
  begin(rig, Clip{});
  feed_frames(rig.video, Clip{});
  feed_samples(rig.audio, Clip{});
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_buffers(1));
  rig.video.seekable = rig.audio.seekable = true;
  rig.audio.refuses_seeks = true;
  rig.video.on_seek = [&](GstEvent*) {
    rig.video.segment(segment_at(0));
    feed_frames(rig.video, Clip{});
    rig.video.eos();
  };
  EXPECT_FALSE(rig.send_upstream(flushing_seek()));
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), Clip{});
}

// NULL comes before a source's refusal: nothing begins again.
TEST_P(Seek, StaysStoppedAfterARefusal) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(1));
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.refuses_seeks = rig.audio.refuses_seeks = true;
  rig.video.on_seek = [&](GstEvent*) { rig.stop(); };
  EXPECT_FALSE(rig.send_upstream(flushing_seek()));
  const Ref<GstPad> source(gst_element_get_static_pad(rig.element(), "src"));
  EXPECT_EQ(gst_pad_get_task_state(source.get()), GST_TASK_STOPPED);
}

class PipelineSeek : public ElementTest {};

/// Buffers on the pad since its last flush.
GstPadProbeReturn count_buffers(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto& count = *static_cast<std::atomic<int>*>(data);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    ++count;
  } else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_STOP) {
    count = 0;
  }
  return GST_PAD_PROBE_OK;
}

bool seek_to_two_seconds(GstElement* pipeline) {
  return gst_element_seek(pipeline, 1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                          GST_SEEK_TYPE_SET, 2 * GST_SECOND);
}

// In a pipeline whose sound is heard by a sink of its own, whichever of the two sinks a seek comes
// to first, all frames of what was sought come.
TEST_F(PipelineSeek, BringsAllFramesBesideTheSound) {
  const std::string sound =
      "t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! "
      "fakesink name=sound sync=false ";
  for (const bool sound_first : {true, false}) {
    SCOPED_TRACE(sound_first ? "sound first" : "picture first");
    const std::string line =
        "audiotestsrc samplesperbuffer=320 ! audio/x-raw,rate=16000,channels=1,format=S16LE ! "
        "tee name=t " +
        (sound_first ? sound : "") +
        "latentsync name=l model-path=\"fake:step-delay=1ms,record=off\" ! fakesink name=out "
        "sync=false videotestsrc ! video/x-raw,width=64,height=48,framerate=25/1 ! queue ! "
        "l.video_sink t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! "
        "l.audio_sink " +
        (sound_first ? "" : sound);
    const Ref<GstElement> pipeline(
        GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), nullptr))));
    const Ref<GstElement> out(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
    const Ref<GstPad> pad(gst_element_get_static_pad(out.get(), "sink"));
    std::atomic<int> count = 0;
    gst_pad_add_probe(
        pad.get(),
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        count_buffers, &count, nullptr);
    const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
    gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
    ASSERT_EQ(gst_element_get_state(pipeline.get(), nullptr, nullptr, 10 * GST_SECOND),
              GST_STATE_CHANGE_SUCCESS);
    EXPECT_TRUE(seek_to_two_seconds(pipeline.get()));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    for (int round = 0; round < 10; ++round) {
      const Ref<GstMessage> end(gst_bus_timed_pop_filtered(
          bus.get(), 10 * GST_SECOND,
          static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
      EXPECT_TRUE(end && GST_MESSAGE_TYPE(end.get()) == GST_MESSAGE_EOS) << "round " << round;
      EXPECT_EQ(count, 50) << "round " << round;
      if (!end) break;
      EXPECT_TRUE(seek_to_two_seconds(pipeline.get()));
    }
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  }
}

// What audio-context was set to while the element ran holds from the next start on, whatever is
// sought before.
TEST_P(Seek, KeepsTheAudioContextOfTheStart) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(16));
  rig.set("audio-context", "whole");
  ASSERT_TRUE(seek(rig, Clip{}));
  ASSERT_TRUE(rig.wait_eos());
  for (const auto& window : fake::windows()) EXPECT_EQ(window.context, AudioContext::kSliding);
  rig.stop();
  rig.take();
  run(rig, Clip{});
  EXPECT_EQ(fake::windows().back().context, AudioContext::kWhole);
}

}  // namespace
}  // namespace latentsync::test
