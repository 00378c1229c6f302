#include "tests/gst/clip.h"
#include "tests/gst/told.h"

/// audio-context=whole with seeks: the audio stays whole, wherever the video goes on.
namespace latentsync::test {
namespace {

class WholeAudio : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(WholeAudio);

/// Samples from START of the stream on, whose running time is 0 there, as a file's demuxer sends
/// them after a seek.
void feed_from(Feeder& audio, const Clip& clip, GstClockTime start) {
  audio.segment(segment_at(start));
  Clip rest = clip;
  rest.audio_begin = static_cast<int64_t>(gst_util_uint64_scale(start, 16000, GST_SECOND));
  feed_samples(audio, rest);
  audio.eos();
}

/// A flushing seek of the pipeline to START; each source answers with what was asked of it.
bool seek_to(Rig& rig, const Clip& clip, GstClockTime start) {
  rig.video.seekable = rig.audio.seekable = true;
  const auto place = [](GstEvent* seek) {
    gint64 at = 0;
    gst_event_parse_seek(seek, nullptr, nullptr, nullptr, nullptr, &at, nullptr, nullptr);
    return static_cast<GstClockTime>(at);
  };
  rig.video.on_seek = [&](GstEvent* seek) {
    Clip rest = clip;
    const uint64_t skipped = place(seek) / (40 * GST_MSECOND);
    rest.first += skipped;
    rest.frames -= skipped;
    rig.video.segment(segment_at(place(seek)));
    feed_frames(rig.video, rest);
    rig.video.eos();
  };
  rig.audio.on_seek = [&](GstEvent* seek) { feed_from(rig.audio, clip, place(seek)); };
  constexpr auto flags = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE);
  const bool done =
      rig.send_upstream(gst_event_new_seek(1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
                                           static_cast<gint64>(start), GST_SEEK_TYPE_NONE, 0));
  EXPECT_TRUE(rig.wait_eos());
  rig.video.on_seek = rig.audio.on_seek = nullptr;
  return done;
}

// After a flushing seek the engine is given all of the audio again, from its beginning, and the
// windows that have 32 frames before them have the bytes of a run without a seek.
TEST_P(WholeAudio, IsWholeAfterASeek) {
  Clip clip;
  clip.frames = 150;
  std::vector<uint64_t> expected;
  {
    Rig rig(GetParam(), {{"audio-context", "whole"}});
    expected = hashes_of(run(rig, clip));
  }
  ASSERT_EQ(expected.size(), clip.frames);
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  run(rig, clip);
  for (const GstClockTime start : {2 * GST_SECOND, 80 * GST_MSECOND, 3 * GST_SECOND}) {
    SCOPED_TRACE(start);
    ASSERT_TRUE(seek_to(rig, clip, start));
    const std::vector<float> whole = fake::whole_audio();
    EXPECT_EQ(whole.size(), 96000u);
    if (!whole.empty()) {
      EXPECT_EQ(whole.front(), sample_at(0));
      EXPECT_EQ(whole.back(), sample_at(95999));
    }
    const auto made = hashes_of(rig.take_buffers());
    const size_t skipped = start / (40 * GST_MSECOND);
    ASSERT_EQ(made.size(), clip.frames - skipped);
    const size_t first_window = (skipped + 32 + 15) / 16 * 16;
    for (size_t at = first_window - skipped; at < made.size(); ++at) {
      ASSERT_EQ(made[at], expected[at + skipped]) << "frame " << at + skipped;
    }
  }
  EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
}

// The same where the seek comes before the audio has been read: it is read from its beginning then.
TEST_P(WholeAudio, IsWholeAfterAnEarlySeek) {
  Clip clip;
  clip.frames = 150;
  std::vector<uint64_t> expected;
  {
    Rig rig(GetParam(), {{"audio-context", "whole"}});
    expected = hashes_of(run(rig, clip));
  }
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  Clip beginning = clip;
  beginning.audio_end = 16000;
  feed_samples(rig.audio, beginning);
  ASSERT_TRUE(rig.audio.wait_idle());
  constexpr GstClockTime start = 2 * GST_SECOND;
  ASSERT_TRUE(seek_to(rig, clip, start));
  EXPECT_EQ(fake::whole_audio().size(), 96000u);
  const auto made = hashes_of(rig.take_buffers());
  ASSERT_EQ(made.size(), 100u);
  for (size_t at = 46; at < made.size(); ++at) {
    ASSERT_EQ(made[at], expected[at + 50]) << "frame " << at + 50;
  }
  EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
}

// A source that brings the audio's segment long after the frames: they wait for it, and have the
// bytes of a run without a seek.
TEST_P(WholeAudio, OfASlowSourceIsWaitedForAfterASeek) {
  Clip clip;
  clip.frames = 150;
  clip.chunk = 16000;
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  const auto expected = hashes_of(run(rig, clip));
  ASSERT_EQ(expected.size(), clip.frames);
  rig.audio.most_delay = std::chrono::milliseconds(50);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(seek_to(rig, clip, 2 * GST_SECOND));
    const auto made = hashes_of(rig.take_buffers());
    ASSERT_EQ(made.size(), 100u);
    for (size_t at = 96; at < clip.frames; ++at) {
      ASSERT_EQ(made[at - 50], expected[at]) << "frame " << at;
    }
  }
  EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
}

// The same in a loop of segments: the frames of the second round are rendered with the sound of the
// first.
TEST_P(WholeAudio, OfASlowSourceIsWaitedForInALoop) {
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  rig.start();
  Clip clip;
  clip.chunk = 16000;
  begin(rig, clip);
  rig.audio.most_delay = std::chrono::milliseconds(50);
  GstSegment segment = segment_at(0);
  segment.stop = clip.end_time();
  for (const guint64 round : {0, 1, 2}) {
    segment.base = round * clip.end_time();
    for (Feeder* feeder : {&rig.video, &rig.audio}) feeder->segment(segment);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip);
    for (Feeder* feeder : {&rig.video, &rig.audio}) {
      feeder->push(
          gst_event_new_segment_done(GST_FORMAT_TIME, static_cast<gint64>(clip.end_time())));
    }
  }
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.buffers(), 3 * clip.frames);
  const auto windows = fake::windows();
  ASSERT_EQ(windows.size(), 9u);
  for (size_t at = 3; at < windows.size(); ++at) {
    EXPECT_EQ(windows[at].times, windows[at - 3].times) << "window " << at;
  }
}

// Sliding audio is sought to where the video is: nothing is read that no window needs.
TEST_P(WholeAudio, SlidingIsSoughtToThePlaceOfTheVideo) {
  Rig rig(GetParam());
  Clip clip;
  clip.frames = 150;
  run(rig, clip);
  ASSERT_TRUE(seek_to(rig, clip, 2 * GST_SECOND));
  const Ref<GstEvent> seek = rig.audio.last_event(GST_EVENT_SEEK);
  ASSERT_TRUE(seek);
  gint64 start = -1;
  gst_event_parse_seek(seek.get(), nullptr, nullptr, nullptr, nullptr, &start, nullptr, nullptr);
  EXPECT_LE(start, static_cast<gint64>(2 * GST_SECOND));
  EXPECT_GE(start, 0);
  clip.first = 50;
  clip.frames = 100;
  expect_frames(rig.take_buffers(), clip);
}

}  // namespace
}  // namespace latentsync::test
