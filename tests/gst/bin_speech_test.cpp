#include "tests/gst/bin_fixture.h"

#include <atomic>
#include <thread>

/// Which speech the frames of latentsyncbin get, whatever takes the video where it is.
namespace latentsync::test {
namespace {

class BinSpeech : public BinTest {};

// Later for a positive offset, earlier for a negative one, in both contexts, from the start and
// after seeks.
TEST_F(BinSpeech, AudioOffsetMovesTheSpeech) {
  for (const std::string context : {"whole", "sliding"}) {
    for (const int offset : {200, -200, 1500, -3000}) {
      SCOPED_TRACE(context + " " + std::to_string(offset));
      fake::reset();
      Pipeline pipeline(line("audio-uri=" + speech() + " audio-context=" + context +
                             " audio-offset=" + std::to_string(offset * GST_MSECOND)));
      ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
      expect_own_speech(offset);
      ASSERT_TRUE(seek(pipeline, 2200));
      ASSERT_TRUE(wait_eos(pipeline));
      expect_own_speech(offset);
    }
  }
}

// With whole audio the bytes with an offset are those of audio whose timestamps are that much
// later.
TEST_F(BinSpeech, AudioOffsetIsThatOfThePad) {
  Pipeline pipeline(reference("audio-context=whole"));
  const auto element = pipeline.element("l");
  const Ref<GstPad> pad(gst_element_get_static_pad(element.get(), "audio_sink"));
  gst_pad_set_offset(pad.get(), 500 * GST_MSECOND);
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
  EXPECT_EQ(play(line("audio-context=whole audio-offset=500000000 audio-uri=" + speech())),
            recorder.frames());
}

// An offset that is set while playing holds from the next frames on, and never for frames before.
TEST_F(BinSpeech, AudioOffsetMayChange) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech() + " audio-context=" + context));
    ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    g_object_set(pipeline.element("l").get(), "audio-offset", gint64{400} * GST_MSECOND, nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(wait_eos(pipeline));
    int late = 0;
    for (const Heard& one : heard()) {
      const bool own = std::abs(one.ms - one.number * 40) <= 2;
      const bool later = std::abs(one.ms - one.number * 40 + 400) <= 2;
      EXPECT_TRUE(own || later) << one.number << " heard " << one.ms;
      EXPECT_FALSE(own && late > 0) << one.number;
      late += later;
    }
    EXPECT_GT(late, 30);
    const size_t before = heard().size();
    ASSERT_TRUE(seek(pipeline, 1000));
    ASSERT_TRUE(wait_eos(pipeline));
    const auto all = heard();
    for (size_t i = before; i < all.size(); ++i) {
      EXPECT_NEAR(all[i].ms, all[i].number * 40 - 400, 2) << all[i].number;
    }
  }
}

// The speech is that of the picture after seeks of any kind; a key frame seek goes to a key frame.
TEST_F(BinSpeech, SpeechFollowsSeeks) {
  struct Case {
    int ms;
    int flags;
    int first;
  };
  const Case cases[] = {{1520, GST_SEEK_FLAG_ACCURATE, 38},
                        {1700, GST_SEEK_FLAG_KEY_UNIT, 40},
                        {1700, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE, 40},
                        {3300, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_AFTER, 90},
                        {0, GST_SEEK_FLAG_ACCURATE, 0}};
  for (const std::string context : {"whole", "sliding"}) {
    for (const Case& one : cases) {
      SCOPED_TRACE(context + " " + std::to_string(one.ms) + " " + std::to_string(one.flags));
      fake::reset();
      Pipeline pipeline(line("audio-uri=" + speech() + " audio-context=" + context));
      const FrameRecorder recorder(sink_of(pipeline).get());
      ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
      ASSERT_TRUE(seek(pipeline, one.ms, one.flags));
      ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
      gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
      ASSERT_TRUE(wait_eos(pipeline));
      const auto frames = recorder.frames();
      ASSERT_FALSE(frames.empty());
      EXPECT_EQ(frames.front().number, one.first);
      EXPECT_EQ(frames.back().number, 99);
      expect_ascending(frames);
      expect_own_speech();
    }
  }
}

// Random seeks of all kinds in quick succession, some of them in PAUSED: no hang, no frame of the
// wrong place, and the speech is its own.
TEST_F(BinSpeech, FiftyRandomSeeks) {
  watch(std::chrono::seconds(60));
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech() + " audio-context=" + context));
    const FrameRecorder recorder(sink_of(pipeline).get());
    seek_at_random(pipeline.get(), recorder);
    expect_own_speech();
  }
}

// Twice as fast the speech is still that of the picture; backwards frames pass unedited.
TEST_F(BinSpeech, OtherRates) {
  Pipeline pipeline(line());
  const FrameRecorder recorder(sink_of(pipeline).get());
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  ASSERT_TRUE(seek(pipeline, 400, GST_SEEK_FLAG_ACCURATE, 2));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  ASSERT_TRUE(wait_eos(pipeline));
  expect_ascending(recorder.frames());
  EXPECT_EQ(recorder.frames().size(), 90U);
  expect_own_speech();
  const size_t windows = fake::windows().size();
  ASSERT_TRUE(seek(pipeline, 2000, GST_SEEK_FLAG_ACCURATE, -1));
  ASSERT_TRUE(wait_eos(pipeline));
  EXPECT_GE(recorder.frames().size(), 50U);
  EXPECT_EQ(fake::windows().size(), windows);
  ASSERT_TRUE(seek(pipeline, 1000));
  ASSERT_TRUE(wait_eos(pipeline));
  EXPECT_EQ(recorder.frames().size(), 75U);
  expect_own_speech();
}

/// Segments from 400 to 1600 ms that follow each other without a flush.
class BinLoop : public BinTest {
 protected:
  /// One turn; with GST_SEEK_FLAG_FLUSH the first one.
  static bool go(const Pipeline& pipeline, int flags = 0) {
    return gst_element_seek(
        pipeline.get(), 1, GST_FORMAT_TIME,
        static_cast<GstSeekFlags>(flags | GST_SEEK_FLAG_SEGMENT | GST_SEEK_FLAG_ACCURATE),
        GST_SEEK_TYPE_SET, 400 * GST_MSECOND, GST_SEEK_TYPE_SET, 1600 * GST_MSECOND);
  }
  static bool wait_turn(const Pipeline& pipeline) {
    const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
    const Ref<GstMessage> done(gst_bus_timed_pop_filtered(
        bus.get(), 10 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_SEGMENT_DONE | GST_MESSAGE_ERROR)));
    return done && GST_MESSAGE_TYPE(done.get()) == GST_MESSAGE_SEGMENT_DONE;
  }
  static void play_turns(const Pipeline& pipeline, int turns) {
    ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    ASSERT_TRUE(go(pipeline, GST_SEEK_FLAG_FLUSH));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    for (int turn = 1; turn <= turns; ++turn) {
      ASSERT_TRUE(wait_turn(pipeline)) << turn;
      if (turn == turns) return;
      ASSERT_TRUE(go(pipeline));
    }
  }
};

// Each turn of a loop has the speech of its pictures.
TEST_F(BinLoop, SpeechFollows) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech() + " audio-context=" + context));
    const FrameRecorder recorder(sink_of(pipeline).get());
    play_turns(pipeline, 3);
    EXPECT_TRUE(recorder.wait_frames(90));
    expect_own_speech();
  }
}

/// Holds each speech segment that follows another one without a flush at the element's audio_sink
/// for 300 ms, or until a window of the frames that belong to it has arrived at video_sink.
class SlowSpeech {
 public:
  explicit SlowSpeech(const Pipeline& pipeline)
      : element_(pipeline.element("latentsync")),
        audio_(gst_element_get_static_pad(element_.get(), "audio_sink")),
        video_(gst_element_get_static_pad(element_.get(), "video_sink")) {
    constexpr auto kEvents = static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                                          GST_PAD_PROBE_TYPE_EVENT_FLUSH);
    constexpr auto kAll = static_cast<GstPadProbeType>(kEvents | GST_PAD_PROBE_TYPE_BUFFER);
    audio_probe_ = gst_pad_add_probe(audio_.get(), kEvents, audio, this, nullptr);
    video_probe_ = gst_pad_add_probe(video_.get(), kAll, video, this, nullptr);
  }
  ~SlowSpeech() {
    gst_pad_remove_probe(audio_.get(), audio_probe_);
    gst_pad_remove_probe(video_.get(), video_probe_);
  }
  SlowSpeech(const SlowSpeech&) = delete;
  SlowSpeech& operator=(const SlowSpeech&) = delete;

  int held() const { return held_; }
  /// Frames that arrived while the segment of their speech was held.
  int early() const { return early_; }

 private:
  static bool is_event(GstPadProbeInfo* info, GstEventType type) {
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) return false;
    return GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == type;
  }
  static GstPadProbeReturn audio(GstPad*, GstPadProbeInfo* info, gpointer data) {
    auto& self = *static_cast<SlowSpeech*>(data);
    if (is_event(info, GST_EVENT_FLUSH_STOP)) self.segments_ = 0;
    if (!is_event(info, GST_EVENT_SEGMENT) || ++self.segments_ == 1) return GST_PAD_PROBE_OK;
    ++self.held_;
    const int before = self.frames_;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (std::chrono::steady_clock::now() < end && self.frames_ < before + 16) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    self.early_ += self.frames_ - before;
    return GST_PAD_PROBE_OK;
  }
  static GstPadProbeReturn video(GstPad*, GstPadProbeInfo* info, gpointer data) {
    auto& self = *static_cast<SlowSpeech*>(data);
    self.frames_ += (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0;
    return GST_PAD_PROBE_OK;
  }

  const Ref<GstElement> element_;
  const Ref<GstPad> audio_, video_;
  gulong audio_probe_ = 0, video_probe_ = 0;
  int segments_ = 0;  ///< since the last flush, of the speech's thread
  std::atomic<int> frames_ = 0, held_ = 0, early_ = 0;
};

// However late the speech of a turn is, its frames are not rendered with speech that was read ahead
// for the turn before.
TEST_F(BinLoop, FramesWaitForTheirSpeech) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    Pipeline pipeline(line("audio-uri=" + speech() + " audio-context=" + context));
    const SlowSpeech slow(pipeline);
    const FrameRecorder recorder(sink_of(pipeline).get());
    play_turns(pipeline, 3);
    EXPECT_TRUE(recorder.wait_frames(90));
    EXPECT_EQ(slow.held(), 2);
    EXPECT_EQ(slow.early(), 0);
    expect_own_speech();
  }
}

// A sample belongs to the frame of its stream time, in a file whose segments begin elsewhere: sound
// that begins at 500 ms, or in the middle of what is stored, at -1200 ms.
TEST_F(BinSpeech, SampleTimesAreStreamTimes) {
  for (const auto& [shift_ms, name] : {std::pair{500, "later.mov"}, {-1200, "cut.mov"}}) {
    const std::string made = media().shifted_speech_uri(name, speech(), shift_ms);
    for (const std::string context : {"whole", "sliding"}) {
      SCOPED_TRACE(context + " " + name);
      fake::reset();
      Pipeline pipeline(line("audio-uri=" + made + " audio-context=" + context));
      ASSERT_TRUE(pipeline.play(std::chrono::seconds(20)));
      expect_own_speech(shift_ms);
      ASSERT_TRUE(seek(pipeline, 2200));
      ASSERT_TRUE(wait_eos(pipeline));
      expect_own_speech(shift_ms);
    }
  }
}

// Speech that ends before the video is silence from there on; one that is longer does not make the
// output longer.
TEST_F(BinSpeech, ShortSpeechIsFollowedBySilence) {
  const std::string shorter = media().speech_uri("short.wav", 1500);
  const auto frames = play(line("audio-uri=" + shorter));
  EXPECT_EQ(frames.size(), 100U);
  for (const Heard& one : heard()) {
    EXPECT_EQ(one.ms, one.number * 40 < 1500 ? one.ms : -1) << one.number;
  }
}

}  // namespace
}  // namespace latentsync::test
