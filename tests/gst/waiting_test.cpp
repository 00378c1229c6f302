#include "tests/gst/clip.h"
#include "tests/gst/demuxer.h"

/// Pads that wait for each other, and what feeds them.
namespace latentsync::test {
namespace {

class Waiting : public ElementTest {};

/// In front of the element's PAD; in the rig's pipeline, and linked.
GstElement* insert(Rig& rig, const char* factory, Feeder& feeder, const char* pad) {
  GstElement* inserted = gst_element_factory_make(factory, nullptr);
  const Ref<GstObject> pipeline(gst_object_get_parent(GST_OBJECT(rig.element())));
  gst_bin_add(GST_BIN(pipeline.get()), inserted);
  const Ref<GstPad> sink(gst_element_get_static_pad(rig.element(), pad));
  const Ref<GstPad> in(gst_element_get_static_pad(inserted, "sink"));
  const Ref<GstPad> out(gst_element_get_static_pad(inserted, "src"));
  gst_pad_unlink(feeder.pad(), sink.get());
  EXPECT_EQ(gst_pad_link(feeder.pad(), in.get()), GST_PAD_LINK_OK);
  EXPECT_EQ(gst_pad_link(out.get(), sink.get()), GST_PAD_LINK_OK);
  return inserted;
}

// One thread brings video, and audio that goes on for 40 s after it, or for twelve minutes: every
// frame comes out edited, and the stream ends. Told is that the audio is dropped, where it is.
TEST_F(Waiting, OfOneThreadEndsWhereTheAudioIsLonger) {
  for (const int64_t seconds : {41, 720}) {
    SCOPED_TRACE(seconds);
    fake::reset();
    Rig rig;
    Clip clip;
    Demuxer demuxer(rig, [&](Demuxer& self) {
      for (const FrameSpec& spec : clip.specs()) self.push_frame(clip, spec);
      for (int64_t second = 0; second < seconds; ++second) self.push_second(clip, second);
      self.eos();
    });
    rig.start();
    demuxer.start(clip);
    EXPECT_TRUE(rig.wait_eos(std::chrono::seconds(8)));
    expect_frames(rig.take_buffers(), clip);
    EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), seconds > 600 ? 1u : 0u);
    rig.stop();
  }
}

// The same where video begins late: after 50 s, or twelve minutes.
TEST_F(Waiting, OfOneThreadEndsWhereTheVideoBeginsLate) {
  for (const uint64_t seconds : {50, 720}) {
    SCOPED_TRACE(seconds);
    fake::reset();
    Rig rig;
    Clip clip;
    clip.first = seconds * 25;
    Demuxer demuxer(rig, [&](Demuxer& self) {
      for (uint64_t second = 0; second < seconds + 1; ++second) {
        self.push_second(clip, static_cast<int64_t>(second));
      }
      for (const FrameSpec& spec : clip.specs()) self.push_frame(clip, spec);
      self.push_second(clip, static_cast<int64_t>(seconds + 1));
      self.eos();
    });
    rig.start();
    demuxer.start(clip);
    EXPECT_TRUE(rig.wait_eos(std::chrono::seconds(8)));
    expect_frames(rig.take_buffers(), clip);
    expect_audio_follows(fake::windows(), clip);
    rig.stop();
  }
}

// With a frame each minute, or gaps in place of video that begins late: nothing is waited for but,
// once, without the gaps.
TEST_F(Waiting, OfOneThreadEndsWhereFramesAreRare) {
  for (const bool gaps : {false, true}) {
    SCOPED_TRACE(gaps);
    fake::reset();
    Rig rig;
    Clip clip;
    clip.frames = 5;
    clip.picture.rate = "0/1";
    std::vector<FrameSpec> specs = clip.specs();
    for (FrameSpec& spec : specs) spec.pts = spec.number * 60 * GST_SECOND;
    Demuxer demuxer(rig, [&](Demuxer& self) {
      for (int64_t second = 0; second < 250; ++second) {
        const auto time = static_cast<GstClockTime>(second) * GST_SECOND;
        if (second % 60 == 0) {
          self.push_frame(clip, specs[static_cast<size_t>(second / 60)]);
        } else if (gaps) {
          self.push_video(gst_event_new_gap(time, GST_SECOND));
        }
        self.push_second(clip, second);
      }
      self.eos();
    });
    rig.start();
    const auto begin = std::chrono::steady_clock::now();
    demuxer.start(clip);
    EXPECT_TRUE(rig.wait_eos(std::chrono::seconds(8)));
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(took, patience(std::chrono::milliseconds(gaps ? 1500 : 4000)));
    expect_frames(rig.take_buffers(), clip.picture, specs, [](size_t) { return Edit::kEdited; });
    EXPECT_TRUE(rig.messages(GST_MESSAGE_WARNING).empty());
    rig.stop();
  }
}

// Video that is late by itself loses no audio: it is told once that none comes, and every frame
// has its own sound when it does.
TEST_F(Waiting, ForVideoOfAnotherThreadDropsNoAudio) {
  Rig rig;
  Clip clip;
  clip.chunk = 16000;
  clip.audio_end = 16000 * 720;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_WARNING));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  expect_audio_follows(fake::windows(), clip);
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
}

// Audio that an element on its way works on for longer than 2 s is waited for: the user is told,
// once, and every frame is edited.
TEST_F(Waiting, ForAudioThatIsWorkedOnEditsEveryFrame) {
  Rig rig;
  GstElement* work = insert(rig, "identity", rig.audio, "audio_sink");
  rig.start();
  Clip clip;
  clip.frames = 100;
  clip.audio_end = 32000;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(rig.audio.wait_idle());
  g_object_set(work, "sleep-time", 3'000'000u, nullptr);
  clip.chunk = 100000;
  clip.audio_begin = 32000;
  clip.audio_end = -1;
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
}

// audio-context=whole in a live graph, and audio that does not end: once the first frame is due it
// warns and goes on as sliding.
TEST_F(Waiting, ForWholeAudioEndsWhenALiveFrameIsDue) {
  Rig rig(Mode::kLive, {{"audio-context", "whole"}});
  rig.start();
  Clip clip;
  clip.audio_end = 16000 * 4;
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  feed_frames(rig.video, clip);
  EXPECT_TRUE(rig.audio.wait_idle());
  const GstClockTime end = clip.end_time() + rig.update_latency().least;
  for (GstClockTime time = 0; time <= end; time += 20 * GST_MSECOND) {
    rig.set_time(time);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_TRUE(rig.wait_buffers(40));
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
  rig.take();
  fake::reset();
  Clip later;
  later.first = 250;
  later.frames = 32;
  later.audio_begin = 16000 * 4;
  later.audio_end = 16000 * 13;
  feed_frames(rig.video, later);
  feed_samples(rig.audio, later);
  EXPECT_TRUE(rig.wait_buffers(16));
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), later);
  EXPECT_FALSE(fake::windows().empty());
  for (const auto& window : fake::windows()) EXPECT_EQ(window.context, AudioContext::kSliding);
}

/// The clip once more after itself, in a segment of its own.
void feed_loop(Rig& rig, const Clip& clip, guint64 loop) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.stop = clip.end_time();
  segment.base = loop * clip.end_time();
  for (Feeder* feeder : {&rig.video, &rig.audio}) feeder->segment(segment);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  for (Feeder* feeder : {&rig.video, &rig.audio}) {
    feeder->push(gst_event_new_segment_done(GST_FORMAT_TIME, static_cast<gint64>(clip.end_time())));
  }
  EXPECT_TRUE(rig.wait_buffers((loop + 1) * clip.frames));
  EXPECT_TRUE(rig.audio.wait_idle());
}

// In a loop of segments the whole audio was read in the first round: the frames of each round are
// rendered with its place in it, and no warning is posted.
TEST_F(Waiting, LoopsOfSegmentsKeepTheWholeAudio) {
  Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
  rig.start();
  const Clip clip;
  begin(rig, clip);
  for (const guint64 loop : {0, 1, 2}) feed_loop(rig, clip, loop);
  rig.video.eos();
  rig.audio.eos();
  EXPECT_TRUE(rig.wait_eos());
  const auto windows = fake::windows();
  ASSERT_EQ(windows.size() % 3, 0u);
  const size_t round = windows.size() / 3;
  for (size_t at = round; at < windows.size(); ++at) {
    EXPECT_EQ(windows[at].times, windows[at - round].times);
    EXPECT_EQ(windows[at].session, windows.front().session);
  }
  EXPECT_EQ(fake::whole_audio().size(), 25600u);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_WARNING).empty());
}

// Audio of another stream after the whole audio was read, as of the next file of a playlist, is
// ignored with one warning; every frame comes out.
TEST_F(Waiting, AudioAfterTheWholeIsTold) {
  Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_loop(rig, clip, 0);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_WARNING).empty());
  rig.audio.push(gst_event_new_stream_start("another"));
  feed_loop(rig, clip, 1);
  rig.video.eos();
  rig.audio.eos();
  EXPECT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
}

}  // namespace
}  // namespace latentsync::test
