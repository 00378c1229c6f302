#include "tests/gst/clip.h"

namespace latentsync::test {
namespace {

class Seek : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Seek);

GstSegment segment_from(GstClockTime start) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = start;
  return segment;
}

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

/// Events of this type among the outputs.
std::vector<GstEvent*> events_of(const std::vector<Output>& outputs, GstEventType type) {
  std::vector<GstEvent*> found;
  for (const Output& output : outputs) {
    if (output.event && GST_EVENT_TYPE(output.event.get()) == type) {
      found.push_back(output.event.get());
    }
  }
  return found;
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

// Both sources said that they can seek, and refuse it all the same: the stream goes on where it
// was, with its segment and its running time, up to its end.
TEST_P(Seek, GoesOnAfterARefusal) {
  Rig rig(GetParam());
  rig.start();
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.refuses_seeks = rig.audio.refuses_seeks = true;
  Clip clip;
  clip.frames = 200;
  feed(rig, clip);
  ASSERT_TRUE(rig.wait_buffers(1));
  EXPECT_FALSE(rig.send_upstream(flushing_seek()));
  ASSERT_TRUE(rig.wait_eos());
  auto outputs = rig.take();
  const auto stops = events_of(outputs, GST_EVENT_FLUSH_STOP);
  ASSERT_EQ(stops.size(), 1u);
  gboolean resets_time = TRUE;
  gst_event_parse_flush_stop(stops.front(), &resets_time);
  EXPECT_FALSE(resets_time);
  const auto segments = events_of(outputs, GST_EVENT_SEGMENT);
  ASSERT_EQ(segments.size(), 1u);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(segments.front(), &segment);
  EXPECT_EQ(gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_SECOND), GST_SECOND);
  std::vector<Ref<GstBuffer>> frames;
  for (Output& output : outputs) {
    if (output.buffer) frames.push_back(std::move(output.buffer));
  }
  ASSERT_LE(frames.size(), clip.frames);
  // Of the window that was being sent some are lost.
  ASSERT_GE(frames.size(), 100u);
  clip.first = clip.frames - frames.size();
  clip.frames = frames.size();
  expect_frames(frames, clip);
}

// The same after the end of the stream, which comes again.
TEST_P(Seek, EndsAgainAfterARefusal) {
  Rig rig(GetParam());
  expect_frames(run(rig, Clip{}), Clip{});
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.refuses_seeks = rig.audio.refuses_seeks = true;
  EXPECT_FALSE(rig.send_upstream(flushing_seek()));
  EXPECT_TRUE(rig.wait_eos());
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
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(1));
  rig.video.seekable = rig.audio.seekable = true;
  rig.audio.refuses_seeks = true;
  rig.video.on_seek = [&](GstEvent*) {
    rig.video.segment(segment_from(0));
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

// No window begins while the video flushes, and nothing of what came before leaves after it.
TEST_P(Seek, BeginsNoWindowInAFlush) {
  Rig rig(GetParam());
  rig.start();
  fake::hold_renders();
  const Clip clip;
  rig.video.begin(clip.picture.caps());
  rig.audio.begin(audio_caps(clip.audio_format));
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  ASSERT_TRUE(fake::wait_for_renders(1));
  ASSERT_TRUE(rig.audio.wait_idle());
  // Time to take the frames of the next window in.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  rig.video.flush_start();
  EXPECT_FALSE(fake::wait_for_renders(2, std::chrono::milliseconds(100)));
  rig.video.flush_stop();
  fake::release();
  rig.video.segment(segment_from(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// A flush of the video alone during its last window is no end of the stream.
TEST_P(Seek, FlushOfTheLastWindowIsNoEnd) {
  Rig rig(GetParam());
  rig.start();
  fake::hold_renders();
  Clip clip;
  clip.frames = 10;
  feed(rig, clip);
  ASSERT_TRUE(fake::wait_for_renders(1));
  ASSERT_TRUE(rig.video.wait_idle());
  rig.video.flush_start();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(rig.eos());
  rig.video.flush_stop();
  fake::release();
  rig.video.segment(segment_from(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// Flushes of the video alone, at any moment of windows that follow each other fast, stop nothing.
TEST_P(Seek, SurvivesFlushesOfTheVideo) {
  fake::behave("record=off");
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 100;
  rig.video.begin(clip.picture.caps());
  rig.audio.begin(audio_caps(clip.audio_format));
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  std::minstd_rand random(3);
  for (int round = 0; round < 400; ++round) {
    rig.video.segment(segment_from(0));
    feed_frames(rig.video, clip);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 3000));
    rig.video.flush_start();
    rig.video.flush_stop();
  }
  rig.take();
  rig.video.segment(segment_from(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
}

}  // namespace
}  // namespace latentsync::test
