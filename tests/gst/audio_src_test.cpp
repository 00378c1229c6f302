#include "tests/gst/audio_outlet.h"
#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <algorithm>

/// The pad audio_src: the audio as it came, when the video of its time leaves.
namespace latentsync::test {
namespace {

class AudioSource : public InBothModes {
 protected:
  /// Feeds the clip's audio, and keeps which buffers those were.
  void feed_known(Feeder& audio, const Clip& clip) {
    feed_samples(audio, clip, [this](GstBuffer* buffer) { fed_.push_back(buffer); });
  }
  std::vector<GstBuffer*> fed_;
};
LATENTSYNC_IN_BOTH_MODES(AudioSource);

class AudioSourceAlone : public ElementTest {};

std::vector<GstBuffer*> buffers_in(const std::vector<Output>& outputs) {
  std::vector<GstBuffer*> found;
  for (const Output& output : outputs) {
    if (output.buffer) found.push_back(output.buffer.get());
  }
  return found;
}

/// The events of OUTPUTS, and "buffer" for each row of buffers.
std::vector<std::string> order_of(const std::vector<Output>& outputs) {
  std::vector<std::string> order;
  for (const Output& output : outputs) {
    const std::string name = output.event ? GST_EVENT_TYPE_NAME(output.event.get()) : "buffer";
    if (name != "buffer" || order.empty() || order.back() != name) order.push_back(name);
  }
  return order;
}

/// Waits for the end of the audio: what belongs to the last frame's time takes the clock 20 ms.
bool ended(Rig& rig, AudioOutlet& outlet) {
  const Ref<GstClock> clock(gst_pipeline_get_clock(GST_PIPELINE(rig.pipeline())));
  for (int round = 0; round < 4000; ++round) {
    if (outlet.wait_eos(std::chrono::milliseconds(5))) return true;
    if (rig.mode() == Mode::kLive) {
      rig.set_time(gst_clock_get_time(clock.get()) + 5 * GST_MSECOND);
    }
  }
  return false;
}

using Names = std::vector<std::string>;

GstEvent* tag_event(const char* title) {
  return gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, title, nullptr));
}

// The very buffers and events that arrive at audio_sink leave, in order, in both contexts.
TEST_P(AudioSource, GivesBackWhatCame) {
  for (const char* context : {"sliding", "whole"}) {
    SCOPED_TRACE(context);
    fed_.clear();
    Rig rig(GetParam(), {{"audio-context", context}});
    AudioOutlet outlet(rig);
    Clip clip;
    clip.audio_end = 25000;
    rig.start();
    begin(rig, clip);
    rig.audio.push(tag_event("speech"));
    feed_known(rig.audio, clip);
    rig.audio.gap(audio_time(25000), GST_MSECOND);
    rig.audio.push(
        gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("something")));
    rig.audio.eos();
    feed_frames(rig.video, clip);
    rig.video.eos();
    ASSERT_TRUE(rig.wait_eos());
    ASSERT_TRUE(ended(rig, outlet));
    const std::vector<Output> outputs = outlet.take();
    EXPECT_EQ(buffers_in(outputs), fed_);
    EXPECT_EQ(order_of(outputs), (Names{"stream-start", "caps", "segment", "tag", "buffer", "gap",
                                        "custom-downstream", "eos"}));
    const gchar* stream_id = nullptr;
    gst_event_parse_stream_start(events_of(outputs, GST_EVENT_STREAM_START).at(0), &stream_id);
    EXPECT_STREQ(stream_id, "test/audio");
    expect_frames(rig.take_buffers(), clip);
    if (std::string(context) == "sliding") expect_audio_follows(fake::windows(), clip);
    fake::reset();
  }
}

// Live, audio leaves with the frame of its time: after it by as much as it begins after it, and not
// before.
TEST_F(AudioSourceAlone, LeavesWithTheFrameOfItsTime) {
  Rig rig(Mode::kLive);
  AudioOutlet outlet(rig);
  Clip clip;
  clip.audio_end = 16000 * 3;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  EXPECT_EQ(outlet.buffers(), 0u);
  feed_frames(rig.video, clip);
  // Two windows of 16 frames are full: 1.28 s.
  ASSERT_TRUE(rig.wait_buffers(32));
  // The last frame's buffers begin with it, and 20 ms after it.
  ASSERT_TRUE(outlet.wait_buffers(63));
  rig.set_time(20 * GST_MSECOND - 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(outlet.buffers(), 63u);
  while (!outlet.wait_buffers(64, std::chrono::milliseconds(5))) rig.set_time(20 * GST_MSECOND);
  rig.set_time(GST_SECOND);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(outlet.buffers(), 64u);
}

// Live, a buffer whose last samples belong to a frame that has not left stays with it.
TEST_F(AudioSourceAlone, LeavesWithTheLastFrameOfItsTime) {
  Rig rig(Mode::kLive);
  AudioOutlet outlet(rig);
  Clip clip;
  clip.frames = 17;
  clip.chunk = 330;  // 31 buffers end before the first window does, at 640 ms
  clip.audio_end = 16000 * 3;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  feed_frames(rig.video, clip);
  ASSERT_TRUE(rig.wait_buffers(16));
  while (!outlet.wait_buffers(31, std::chrono::milliseconds(5))) rig.set_time(40 * GST_MSECOND);
  rig.set_time(GST_SECOND);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(outlet.buffers(), 31u);
}

// Live without video: audio leaves when its latency is over, to the buffer.
TEST_F(AudioSourceAlone, GoesOnWhereTheVideoIsLost) {
  Rig rig(Mode::kLive);
  AudioOutlet outlet(rig);
  Clip clip;
  clip.audio_end = 16000 * 3;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  const GstClockTime latency = rig.update_latency().least;
  ASSERT_GT(latency, 0u);
  for (const size_t count : {1, 2, 10, 150}) {
    const GstClockTime due = latency + (count - 1) * 20 * GST_MSECOND;
    rig.set_time(due - 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_LT(outlet.buffers(), count);
    while (outlet.buffers() < count) {
      rig.set_time(due);
      if (outlet.wait_buffers(count, std::chrono::milliseconds(5))) break;
    }
    EXPECT_EQ(outlet.buffers(), count);
  }
}

// Not live, audio does not wait for video: a muxer may need it first.
TEST_F(AudioSourceAlone, DoesNotWaitForVideoInAFile) {
  Rig rig;
  AudioOutlet outlet(rig);
  Clip clip;
  clip.audio_end = 16000 * 3;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(outlet.wait_buffers(150));
}

// A downstream that takes no audio does not hold up the video.
TEST_P(AudioSource, BlockedDownstreamLeavesTheVideoAlone) {
  Rig rig(GetParam());
  AudioOutlet outlet(rig);
  outlet.hold();
  Clip clip;
  clip.frames = 200;
  clip.chunk = 1600;
  rig.start();
  feed(rig, clip);
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(outlet.buffers(), 0u);
  outlet.let_go();
  ASSERT_TRUE(ended(rig, outlet));
  EXPECT_EQ(outlet.buffers(), 80u);
}

// Live, a downstream that takes nothing for ever costs half a minute of audio, not all of it; what
// follows is marked.
TEST_F(AudioSourceAlone, HoldsABoundedTimeInLiveGraphs) {
  Rig rig(Mode::kLive);
  AudioOutlet outlet(rig);
  outlet.hold();
  Clip clip;
  clip.chunk = 1600;
  clip.audio_end = 16000 * 90;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  rig.set_time(200 * GST_SECOND);
  EXPECT_LT(live_source_buffers(), 350);
  outlet.let_go();
  rig.audio.eos();
  while (!outlet.wait_eos(std::chrono::milliseconds(5))) rig.set_time(200 * GST_SECOND);
  const std::vector<Output> outputs = outlet.take();
  const auto buffers = buffers_in(outputs);
  EXPECT_LT(buffers.size(), 350u);
  EXPECT_EQ(std::ranges::count_if(buffers,
                                  [](GstBuffer* buffer) {
                                    return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
                                  }),
            1);
}

// Audio that is longer than the video goes on to its end, however long; the windows do not keep it.
TEST_F(AudioSourceAlone, GoesOnBehindTheVideo) {
  for (const char* context : {"sliding", "whole"}) {
    SCOPED_TRACE(context);
    Rig rig(Mode::kNotLive, {{"audio-context", context}});
    AudioOutlet outlet(rig);
    Clip clip;
    clip.chunk = 8000;
    clip.audio_end = 16000 * 50;
    rig.start();
    feed(rig, clip);
    ASSERT_TRUE(rig.wait_eos());
    ASSERT_TRUE(ended(rig, outlet));
    EXPECT_EQ(outlet.buffers(), 100u);
    EXPECT_EQ(rig.audio.flow(), GST_FLOW_OK);
  }
}

// Without the pad audio ends with the video, as ever.
TEST_F(AudioSourceAlone, IsNotMissedWithoutThePad) {
  Rig rig;
  Clip clip;
  clip.chunk = 8000;
  clip.audio_end = 16000 * 50;
  rig.start();
  feed(rig, clip);
  ASSERT_TRUE(rig.wait_eos());
  ASSERT_TRUE(rig.audio.wait_idle());
  EXPECT_EQ(rig.audio.flow(), GST_FLOW_EOS);
}

// A pad that nothing is linked to, or whose downstream has seen enough, takes nothing away from the
// video.
TEST_P(AudioSource, UnlinkedOrEndedLeavesTheVideoAlone) {
  for (const bool linked : {false, true}) {
    Rig rig(GetParam());
    AudioOutlet outlet(rig, linked);
    outlet.flow = GST_FLOW_EOS;
    const Clip clip;
    expect_frames(run(rig, clip), clip);
    EXPECT_EQ(outlet.buffers(), linked ? 1u : 0u);
  }
}

// What is wrong downstream of audio_src is told to the audio's source.
TEST_F(AudioSourceAlone, TakesErrorsUpstream) {
  Rig rig;
  AudioOutlet outlet(rig);
  outlet.flow = GST_FLOW_ERROR;
  Clip clip;
  clip.frames = 400;
  clip.chunk = 160;
  rig.start();
  begin(rig, clip);
  for (int round = 0; round < 200 && rig.audio.flow() == GST_FLOW_OK; ++round) {
    feed_samples(rig.audio, clip);
    ASSERT_TRUE(rig.audio.wait_idle());
  }
  EXPECT_EQ(rig.audio.flow(), GST_FLOW_ERROR);
}

// After the audio's end there is nobody to take it upstream: it is posted.
TEST_F(AudioSourceAlone, PostsErrorsAfterTheEnd) {
  Rig rig;
  AudioOutlet outlet(rig);
  outlet.hold();
  Clip clip;
  clip.audio_end = 3200;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  ASSERT_TRUE(rig.audio.wait_idle());
  outlet.flow = GST_FLOW_NOT_NEGOTIATED;
  outlet.let_go();
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
}

// A seek flushes what leaves by the pad, and what follows is of the new place; from whichever
// branch it comes it is one seek, and both sources make it.
TEST_P(AudioSource, SeeksWithTheVideo) {
  for (const bool from_audio : {false, true}) {
    SCOPED_TRACE(from_audio);
    Rig rig(GetParam());
    AudioOutlet outlet(rig);
    const Clip clip;
    run(rig, clip);
    ASSERT_TRUE(ended(rig, outlet));
    outlet.take();
    Clip later;
    later.first = 100;
    const GstSegment segment = segment_at(4 * GST_SECOND);
    rig.video.seekable = rig.audio.seekable = true;
    fed_.clear();
    rig.video.on_seek = [&](GstEvent*) {
      rig.video.segment(segment);
      feed_frames(rig.video, later);
      rig.video.eos();
    };
    rig.audio.on_seek = [&](GstEvent*) {
      rig.audio.segment(segment);
      feed_known(rig.audio, later);
      rig.audio.eos();
    };
    const Ref<GstEvent> seek(gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                                GST_SEEK_TYPE_SET, 4 * GST_SECOND,
                                                GST_SEEK_TYPE_NONE, 0));
    const auto send = [&](bool audio) {
      GstEvent* again = share(seek.get()).release();
      return audio ? outlet.send_upstream(again) : rig.send_upstream(again);
    };
    EXPECT_TRUE(send(from_audio));
    EXPECT_TRUE(send(!from_audio));
    EXPECT_EQ(rig.video.events(GST_EVENT_SEEK), 1);
    EXPECT_EQ(rig.audio.events(GST_EVENT_SEEK), 1);
    ASSERT_TRUE(ended(rig, outlet));
    const std::vector<Output> outputs = outlet.take();
    EXPECT_EQ(buffers_in(outputs), fed_);
    EXPECT_EQ(order_of(outputs), (Names{"flush-start", "flush-stop", "segment", "buffer", "eos"}));
    rig.video.on_seek = rig.audio.on_seek = nullptr;
  }
}

// With the whole audio known, audio that is sent again after a seek leaves again.
TEST_F(AudioSourceAlone, GivesBackKnownAudioAgain) {
  Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
  AudioOutlet outlet(rig);
  const Clip clip;
  run(rig, clip);
  ASSERT_TRUE(ended(rig, outlet));
  outlet.take();
  ASSERT_TRUE(seek(rig, clip));
  ASSERT_TRUE(ended(rig, outlet));
  EXPECT_EQ(outlet.buffers(), 80u);
}

// A flush ends a downstream that blocks; of the video alone it leaves the audio alone.
TEST_P(AudioSource, FlushesOfTheAudioAlone) {
  Rig rig(GetParam());
  AudioOutlet outlet(rig);
  outlet.hold();
  const Clip clip;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.wait_buffers(16));
  ASSERT_TRUE(outlet.wait_held());
  rig.video.flush_start();
  rig.video.flush_stop();
  EXPECT_TRUE(events_of(outlet.take(), GST_EVENT_FLUSH_START).empty());
  rig.audio.flush_start();
  rig.audio.flush_stop();
  const Names order = order_of(outlet.take());
  EXPECT_EQ(order, (Names{"flush-start", "flush-stop"}));
}

// A pad that comes while the stream goes on begins with the stream's sticky events; the pad that
// goes leaves the video alone, and another one may come. There is one at a time.
TEST_P(AudioSource, ComesAndGoesWhilePlaying) {
  Rig rig(GetParam());
  Clip clip;
  clip.frames = 200;
  rig.start();
  begin(rig, clip);
  rig.audio.push(tag_event("speech"));
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  for (int round = 0; round < 3; ++round) {
    AudioOutlet outlet(rig);
    EXPECT_EQ(gst_element_request_pad_simple(rig.element(), "audio_src"), nullptr);
    EXPECT_EQ(take_warnings().size(), 1u);  // GStreamer's own
    Clip more = clip;
    more.first = 200 + 10 * static_cast<uint64_t>(round);
    more.frames = 10;
    fed_.clear();
    feed_known(rig.audio, more);
    ASSERT_TRUE(rig.audio.wait_idle());
    if (GetParam() == Mode::kLive) {
      while (outlet.buffers() < 20) {
        rig.set_time(20 * GST_SECOND);
        outlet.wait_buffers(20, std::chrono::milliseconds(5));
      }
    }
    ASSERT_TRUE(outlet.wait_buffers(20));
    const std::vector<Output> outputs = outlet.take();
    EXPECT_EQ(order_of(outputs), (Names{"stream-start", "caps", "segment", "tag", "buffer"}));
    EXPECT_EQ(buffers_in(outputs), fed_);
  }
  feed_frames(rig.video, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip.picture, clip.specs(),
                [](size_t) { return Edit::kEither; });
}

// A pad that is linked while the stream goes on.
TEST_F(AudioSourceAlone, IsLinkedWhilePlaying) {
  Rig rig;
  AudioOutlet outlet(rig, false);
  Clip clip;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  outlet.link();
  clip.first = 40;
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(outlet.wait_buffers(1));
  EXPECT_EQ(order_of(outlet.take()).at(0), "stream-start");
}

// The pad survives the states, and the next run begins anew.
TEST_P(AudioSource, PlaysAgain) {
  Rig rig(GetParam());
  AudioOutlet outlet(rig);
  const Clip clip;
  for (int round = 0; round < 3; ++round) {
    fake::reset();
    expect_frames(run(rig, clip), clip);
    ASSERT_TRUE(ended(rig, outlet));
    EXPECT_EQ(outlet.buffers(), 80u);
    outlet.take();
    rig.stop();
  }
}

// An error of the element ends the stream of audio, too.
TEST_P(AudioSource, EndsAfterAnError) {
  fake::behave("render-failure=internal@0");
  Rig rig(GetParam(), {{"no-fallback", "true"}});
  AudioOutlet outlet(rig);
  rig.start();
  feed(rig, Clip());
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  EXPECT_TRUE(ended(rig, outlet));
}

// EOS that an application sends to the element leaves behind the audio that has arrived.
TEST_P(AudioSource, EndsWithTheElement) {
  Rig rig(GetParam());
  AudioOutlet outlet(rig);
  const Clip clip;
  rig.start();
  begin(rig, clip);
  feed_known(rig.audio, clip);
  feed_frames(rig.video, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  ASSERT_TRUE(rig.video.wait_idle());
  EXPECT_TRUE(gst_element_send_event(rig.element(), gst_event_new_eos()));
  ASSERT_TRUE(ended(rig, outlet));
  EXPECT_EQ(buffers_in(outlet.take()), fed_);
}

// Questions: the element's latency, the audio's position and duration, seeking as at src, no
// allocation.
TEST_P(AudioSource, AnswersQueries) {
  Rig rig(GetParam());
  AudioOutlet outlet(rig);
  rig.video.duration = 2 * GST_SECOND;
  rig.audio.duration = 3 * GST_SECOND;
  rig.audio.position = GST_SECOND;
  rig.start();
  begin(rig, Clip());
  ASSERT_TRUE(rig.audio.wait_idle());
  const Ref<GstQuery> latency(gst_query_new_latency());
  ASSERT_TRUE(outlet.query(latency.get()));
  GstClockTime least = 0;
  gboolean live = FALSE;
  gst_query_parse_latency(latency.get(), &live, &least, nullptr);
  EXPECT_EQ(live, GetParam() == Mode::kLive);
  EXPECT_EQ(least, rig.update_latency().least);
  gint64 time = 0;
  const Ref<GstQuery> duration(gst_query_new_duration(GST_FORMAT_TIME));
  ASSERT_TRUE(outlet.query(duration.get()));
  gst_query_parse_duration(duration.get(), nullptr, &time);
  EXPECT_EQ(time, static_cast<gint64>(3 * GST_SECOND));
  const Ref<GstQuery> position(gst_query_new_position(GST_FORMAT_TIME));
  ASSERT_TRUE(outlet.query(position.get()));
  gst_query_parse_position(position.get(), nullptr, &time);
  EXPECT_EQ(time, static_cast<gint64>(GST_SECOND));
  const Ref<GstQuery> seeking(gst_query_new_seeking(GST_FORMAT_TIME));
  ASSERT_TRUE(outlet.query(seeking.get()));
  gboolean seekable = TRUE;
  gst_query_parse_seeking(seeking.get(), nullptr, &seekable, nullptr, nullptr);
  EXPECT_FALSE(seekable);
  const Ref<GstQuery> allocation(
      gst_query_new_allocation(caps_of(audio_caps(AudioFormat::kF32)).get(), TRUE));
  EXPECT_FALSE(gst_pad_peer_query(rig.audio.pad(), allocation.get()));
}

// QoS and other events of the audio's downstream go to the audio's source alone.
TEST_P(AudioSource, SendsEventsToTheAudiosSource) {
  Rig rig(GetParam());
  AudioOutlet outlet(rig);
  rig.start();
  begin(rig, Clip());
  ASSERT_TRUE(rig.audio.wait_idle());
  outlet.send_upstream(gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.0, 0, GST_SECOND));
  EXPECT_EQ(rig.audio.events(GST_EVENT_QOS), 1);
  EXPECT_EQ(rig.video.events(GST_EVENT_QOS), 0);
}

}  // namespace
}  // namespace latentsync::test
