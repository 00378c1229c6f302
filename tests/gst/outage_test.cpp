#include "tests/gst/clip.h"
#include "tests/gst/simulation.h"
#include "tests/gst/told.h"

#include <atomic>
#include <optional>

/// Live graphs whose sources go away and come back, on a test clock.
namespace latentsync::test {
namespace {

constexpr GstClockTime kTick = 40 * GST_MSECOND;

/// A camera and a microphone with a sound branch beside the element, and a clock that is moved on
/// by hand. A tick of 40 ms brings a frame and two buffers of audio with the clock's time.
class Studio {
 public:
  Studio() : rig_(Mode::kLive) {
    insert_sound_branch();
    rig_.start();
    begin(rig_, Clip{});
    EXPECT_TRUE(rig_.video.wait_idle());
    EXPECT_TRUE(rig_.audio.wait_idle());
    latency_ = rig_.update_latency().least;
  }

  bool video_on = true;
  bool audio_on = true;

  /// Both sources begin anew: with another picture, which has the duration FRAME, another format of
  /// the audio, and timestamps of their own.
  void change_streams(GstClockTime start, const Picture& picture, GstClockTime frame) {
    shift_ = start - now_;
    picture_ = picture;
    frame_ = frame;
    next_frame_ = now_;
    GstSegment segment = segment_at(start);
    segment.base = now_;
    rig_.video.begin(picture_.caps(), &segment);
    rig_.audio.begin(audio_caps(AudioFormat::kS16), &segment);
    shown_after_ = start;
  }

  void run(GstClockTime duration) {
    for (GstClockTime end = now_ + duration; now_ < end && !testing::Test::HasFailure();) tick();
  }

  /// PAUSED, while the clock goes on and the sources bring nothing.
  void pause(GstClockTime duration) {
    rig_.change(GST_STATE_PAUSED);
    for (const GstClockTime end = paused_ + duration; paused_ < end; paused_ += kTick) {
      rig_.set_time(now_ + paused_);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    rig_.change(GST_STATE_PLAYING);
  }

  /// Goes on until a frame that was brought from now on is out; how long that takes. It must not
  /// take more than LIMIT.
  GstClockTime run_until_frames(GstClockTime limit) {
    const GstClockTime begin = now_;
    while (last_out_ == GST_CLOCK_TIME_NONE || last_out_ < begin + shift_) {
      if (now_ > begin + limit || testing::Test::HasFailure()) return now_ - begin;
      tick();
    }
    return now_ - begin;
  }

  GstClockTime latency() const { return latency_; }
  /// The caps may have changed it; an application answers a message with this.
  void update_latency() { latency_ = rig_.update_latency().least; }
  GstClockTime frame() const { return frame_; }
  uint64_t frames_in() const { return frames_in_; }
  uint64_t frames_out() const { return frames_out_; }
  Rig& rig() { return rig_; }

 private:
  void insert_sound_branch() {
    GstElement* bin = gst_parse_bin_from_description(
        "tee name=t ! queue name=q t. ! queue ! fakesink name=s sync=false async=false", FALSE,
        nullptr);
    gst_bin_add(GST_BIN(rig_.pipeline()), bin);
    const auto ghost = [&](const char* element, const char* pad, const char* name) {
      const Ref<GstElement> inner(gst_bin_get_by_name(GST_BIN(bin), element));
      const Ref<GstPad> target(gst_element_get_static_pad(inner.get(), pad));
      GstPad* made = gst_ghost_pad_new(name, target.get());
      gst_element_add_pad(bin, made);
      return made;
    };
    const Ref<GstPad> sink(gst_element_get_static_pad(rig_.element(), "audio_sink"));
    gst_pad_unlink(rig_.audio.pad(), sink.get());
    EXPECT_EQ(gst_pad_link(rig_.audio.pad(), ghost("t", "sink", "in")), GST_PAD_LINK_OK);
    EXPECT_EQ(gst_pad_link(ghost("q", "src", "out"), sink.get()), GST_PAD_LINK_OK);
    const Ref<GstElement> speaker(gst_bin_get_by_name(GST_BIN(bin), "s"));
    const Ref<GstPad> speaker_pad(gst_element_get_static_pad(speaker.get(), "sink"));
    gst_pad_add_probe(
        speaker_pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer count) {
          ++*static_cast<std::atomic<uint64_t>*>(count);
          return GST_PAD_PROBE_OK;
        },
        &heard_, nullptr);
  }

  void tick() {
    for (next_frame_ = std::max(next_frame_, now_); next_frame_ < now_ + kTick;
         next_frame_ += frame_) {
      if (!video_on) continue;
      rig_.video.push(make_frame(picture_, {frames_in_, next_frame_ + shift_, frame_, false}));
      ++frames_in_;
      ++arrivals_;
    }
    if (audio_on) {
      Clip clip;
      clip.first = now_ / kTick;
      clip.frames = 1;
      if (shift_ > 0) clip.audio_format = AudioFormat::kS16;
      feed_samples(rig_.audio, clip, [&](GstBuffer* buffer) { GST_BUFFER_PTS(buffer) += shift_; });
      sound_ += 2;
      arrivals_ += 4;  // each is counted before and after it waits for room
    }
    now_ += kTick;
    rig_.set_time(now_ + paused_);
    // A live source never stands still, and what is beside the element is heard.
    EXPECT_TRUE(rig_.video.wait_idle(std::chrono::seconds(2))) << "the camera is blocked";
    EXPECT_TRUE(rig_.audio.wait_idle(std::chrono::seconds(2))) << "the microphone is blocked";
    const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(2));
    while (heard_ < sound_ && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    EXPECT_EQ(heard_, sound_) << "the sound stands still at " << now_ / GST_MSECOND << " ms";
    // However slow this machine is, the engine is fast.
    watch_.wait_until([this](const TaskWatch::State& state) {
      return state.arrivals >= arrivals_ && state.ended == state.begun;
    });
    take_frames();
    // As an application does: the latency grows with what windows are measured to take.
    if (const size_t posted = rig_.messages(GST_MESSAGE_LATENCY).size(); posted != answered_) {
      answered_ = posted;
      update_latency();
    }
  }

  void take_frames() {
    for (const auto& frame : rig_.take_buffers()) {
      const GstClockTime pts = GST_BUFFER_PTS(frame.get());
      if (shown_after_ && pts >= *shown_after_) {
        last_out_ = GST_CLOCK_TIME_NONE;
        shown_after_.reset();
      }
      if (last_out_ != GST_CLOCK_TIME_NONE) {
        EXPECT_GT(pts, last_out_);
      }
      last_out_ = pts;
      ++frames_out_;
    }
  }

  std::atomic<uint64_t> heard_ = 0;
  uint64_t sound_ = 0;
  uint64_t arrivals_ = 0;
  size_t answered_ = 0;  ///< LATENCY messages
  TaskWatch watch_;
  Rig rig_;
  Picture picture_;
  GstClockTime frame_ = kTick;
  GstClockTime next_frame_ = 0;  ///< running time
  GstClockTime shift_ = 0;       ///< of the timestamps after the running time
  std::optional<GstClockTime> shown_after_;
  GstClockTime now_ = 0;     ///< running time
  GstClockTime paused_ = 0;  ///< the clock's advance in PAUSED
  GstClockTime latency_ = 0;
  GstClockTime last_out_ = GST_CLOCK_TIME_NONE;
  uint64_t frames_in_ = 0;
  uint64_t frames_out_ = 0;
};

class Outage : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(std::chrono::seconds(60));
    fake::behave("record=off,steps=1");
  }
};

/// Frames are there again in time, all that came have left at the end, and nothing failed.
void expect_recovery(Studio& studio) {
  EXPECT_LE(studio.run_until_frames(10 * GST_SECOND), studio.latency() + GST_SECOND / 2);
  studio.run(3 * GST_SECOND);
  EXPECT_LE(studio.frames_in() - studio.frames_out(),
            (studio.latency() + GST_SECOND / 2) / studio.frame());
  EXPECT_EQ(sentences_of(studio.rig(), GST_MESSAGE_ERROR), std::vector<std::string>{});
}

// The camera is gone for a minute and comes back: the sound beside the element never stops, and
// frames are there again within the latency and half a second.
TEST_F(Outage, OfTheVideo) {
  Studio studio;
  studio.run(3 * GST_SECOND);
  studio.video_on = false;
  studio.run(60 * GST_SECOND);
  studio.video_on = true;
  expect_recovery(studio);
}

// The same from the start on.
TEST_F(Outage, OfTheVideoFromTheStart) {
  Studio studio;
  studio.video_on = false;
  studio.run(60 * GST_SECOND);
  studio.video_on = true;
  expect_recovery(studio);
}

// The microphone: frames go on without it.
TEST_F(Outage, OfTheAudio) {
  Studio studio;
  studio.run(3 * GST_SECOND);
  studio.audio_on = false;
  studio.run(60 * GST_SECOND);
  EXPECT_LE(studio.frames_in() - studio.frames_out(), (studio.latency() + GST_SECOND / 2) / kTick);
  studio.audio_on = true;
  expect_recovery(studio);
}

// Both at once.
TEST_F(Outage, OfBoth) {
  Studio studio;
  studio.run(3 * GST_SECOND);
  studio.video_on = studio.audio_on = false;
  studio.run(60 * GST_SECOND);
  studio.video_on = studio.audio_on = true;
  expect_recovery(studio);
}

// Both come back as other streams: another size, format and frame rate, and timestamps of their
// own. They are edited again, and each frame that came has left in time.
TEST_F(Outage, OfBothThatComeBackOtherwise) {
  struct Stream {
    Picture picture;
    GstClockTime frame;
    GstClockTime start;
  };
  const Stream streams[] = {{{.format = "I420", .width = 48, .height = 36}, kTick, 1000},
                            {{.format = "NV12", .rate = "50/1"}, kTick / 2, 1000},
                            {{.format = "I420", .rate = "25/2"}, kTick * 2, 1000},
                            {{.format = "YUY2", .width = 64, .rate = "25/2"}, kTick * 2, 5},
                            {{.format = "I420", .rate = "0/1"}, kTick / 2, 1000}};
  for (const Stream& stream : streams) {
    SCOPED_TRACE(stream.picture.caps());
    Studio studio;
    studio.run(3 * GST_SECOND);
    studio.video_on = studio.audio_on = false;
    studio.run(20 * GST_SECOND);
    studio.change_streams(stream.start * GST_SECOND, stream.picture, stream.frame);
    studio.video_on = studio.audio_on = true;
    studio.run(GST_SECOND / 5);
    studio.update_latency();
    expect_recovery(studio);
    studio.rig().drop_messages();
    const int64_t edited = number(stats_of(studio.rig()).get(), "frames-edited");
    const uint64_t out = studio.frames_out();
    studio.run(5 * GST_SECOND);
    EXPECT_TRUE(studio.rig().messages(GST_MESSAGE_QOS).empty()) << "frames are edited again";
    EXPECT_EQ(number(stats_of(studio.rig()).get(), "frames-edited") - edited,
              static_cast<int64_t>(studio.frames_out() - out));
    EXPECT_GE(studio.frames_out() - out, 4 * GST_SECOND / stream.frame);
  }
}

// A pause of 5 s: frames go on within the latency and half a second, and none is late by it.
TEST_F(Outage, OfAPause) {
  Studio studio;
  studio.run(3 * GST_SECOND);
  const size_t late = studio.rig().messages(GST_MESSAGE_QOS).size();
  studio.pause(5 * GST_SECOND);
  expect_recovery(studio);
  EXPECT_EQ(studio.rig().messages(GST_MESSAGE_QOS).size(), late);
}

// Ten minutes without the camera take no more memory than three.
TEST_F(Outage, OfTheVideoTakesNoMemory) {
  Studio studio;
  studio.run(2 * GST_SECOND);
  studio.video_on = false;
  studio.run(180 * GST_SECOND);
  const int64_t after_three = resident_bytes();
  studio.run(420 * GST_SECOND);
  // The audio of seven minutes is 27 MB.
  EXPECT_LE(resident_bytes(), after_three + 6'000'000);
  studio.video_on = true;
  expect_recovery(studio);
}

}  // namespace
}  // namespace latentsync::test
