#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <algorithm>
#include <map>
#include <span>

/// The video is the main pad: its segments, numbers, flushes and rates are those of the output.
namespace latentsync::test {
namespace {

class Segments : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Segments);

GstEvent* numbered(GstEvent* event, guint32 seqnum) {
  gst_event_set_seqnum(event, seqnum);
  return event;
}

void begin_numbered(Feeder& feeder, const std::string& caps, guint32 seqnum) {
  GstSegment whole;
  gst_segment_init(&whole, GST_FORMAT_TIME);
  feeder.push(gst_event_new_stream_start("numbered"));
  feeder.caps(caps);
  feeder.push(numbered(gst_event_new_segment(&whole), seqnum));
  EXPECT_TRUE(feeder.wait_idle());
}

// SEGMENT and EOS have the numbers of the video's, whichever source is first.
TEST_P(Segments, KeepTheNumbersOfTheVideo) {
  for (const bool video_first : {true, false}) {
    SCOPED_TRACE(video_first ? "video first" : "audio first");
    Rig rig(GetParam());
    rig.start();
    const Clip clip;
    const guint32 video = gst_util_seqnum_next();
    const guint32 audio = gst_util_seqnum_next();
    if (video_first) begin_numbered(rig.video, clip.picture.caps(), video);
    begin_numbered(rig.audio, audio_caps(clip.audio_format), audio);
    if (!video_first) begin_numbered(rig.video, clip.picture.caps(), video);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip);
    rig.video.push(numbered(gst_event_new_eos(), video));
    rig.audio.push(numbered(gst_event_new_eos(), audio));
    ASSERT_TRUE(rig.wait_eos());
    const auto outputs = rig.take();
    for (const GstEventType type : {GST_EVENT_SEGMENT, GST_EVENT_EOS}) {
      const auto events = events_of(outputs, type);
      ASSERT_EQ(events.size(), 1u);
      EXPECT_EQ(gst_event_get_seqnum(events.front()), video) << gst_event_type_get_name(type);
    }
  }
}

// After a seek they have the seek's number.
TEST_P(Segments, KeepTheNumberOfASeek) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_eos());
  rig.take();
  rig.video.seekable = rig.audio.seekable = true;
  const auto answer = [](Feeder& feeder, GstEvent* seek, const auto& feed_clip) {
    const guint32 seqnum = gst_event_get_seqnum(seek);
    const GstSegment segment = segment_at(0);
    feeder.push(numbered(gst_event_new_segment(&segment), seqnum));
    feed_clip(feeder, Clip{}, Retime{});
    feeder.push(numbered(gst_event_new_eos(), seqnum));
  };
  rig.video.on_seek = [&](GstEvent* seek) { answer(rig.video, seek, feed_frames); };
  rig.audio.on_seek = [&](GstEvent* seek) { answer(rig.audio, seek, feed_samples); };
  const guint32 seqnum = gst_util_seqnum_next();
  EXPECT_TRUE(
      rig.send_upstream(numbered(gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                                    GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0),
                                 seqnum)));
  ASSERT_TRUE(rig.wait_eos());
  auto outputs = rig.take();
  for (const GstEventType type : {GST_EVENT_FLUSH_STOP, GST_EVENT_SEGMENT, GST_EVENT_EOS}) {
    const auto events = events_of(outputs, type);
    ASSERT_EQ(events.size(), 1u) << gst_event_type_get_name(type);
    EXPECT_EQ(gst_event_get_seqnum(events.front()), seqnum) << gst_event_type_get_name(type);
  }
  expect_frames(buffers_of(std::move(outputs)), Clip{});
  rig.video.on_seek = rig.audio.on_seek = nullptr;
}

// A flush of the video alone goes on downstream, with its number: what is below drops what it
// holds.
TEST_P(Segments, AFlushOfTheVideoGoesDownstream) {
  Rig rig(GetParam());
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_buffers(16));
  const guint32 seqnum = gst_util_seqnum_next();
  rig.video.flush_start(seqnum);
  rig.video.flush_stop(seqnum);
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  auto outputs = rig.take();
  const auto stops = events_of(outputs, GST_EVENT_FLUSH_STOP);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(gst_event_get_seqnum(stops.front()), seqnum);
  EXPECT_EQ(events_of(outputs, GST_EVENT_SEGMENT).size(), 1u);
  expect_frames(buffers_of(std::move(outputs)), clip);
}

// One of the audio alone does not: no frame is lost by it.
TEST_P(Segments, AFlushOfTheAudioStaysHere) {
  Rig rig(GetParam());
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  Clip sound = clip;
  sound.audio_end = 8000;
  feed_samples(rig.audio, sound);
  ASSERT_TRUE(rig.audio.wait_idle());
  rig.audio.flush_start();
  rig.audio.flush_stop();
  rig.audio.segment(segment_at(0));
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  auto outputs = rig.take();
  EXPECT_TRUE(events_of(outputs, GST_EVENT_FLUSH_START).empty());
  EXPECT_TRUE(events_of(outputs, GST_EVENT_FLUSH_STOP).empty());
  expect_frames(buffers_of(std::move(outputs)), clip, Edit::kEither);
}

// After the end of the stream a new stream of the audio alone, as of a playlist, sends nothing
// downstream.
TEST_P(Segments, AStreamOfTheAudioAfterTheEndSendsNothing) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_eos());
  rig.take();
  rig.audio.begin(audio_caps(AudioFormat::kF32));
  Clip more;
  more.first = 40;
  feed_samples(rig.audio, more);
  rig.audio.eos();
  EXPECT_TRUE(rig.audio.wait_idle());
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(rig.take().empty());
}

/// The sample of the test audio that the first of SAMPLES is, when 640 of them follow each other in
/// it; else -1.
int64_t place_of(std::span<const float> samples, int64_t most) {
  if (samples.size() < 640) return -1;
  for (int64_t at = 0; at < most; ++at) {
    int64_t equal = 0;
    while (equal < 640 && samples[static_cast<size_t>(equal)] == sample_at(at + equal)) ++equal;
    if (equal == 640) return at;
  }
  return -1;
}

// The video twice as fast, and audio that an element before has stretched already (rate 1, applied
// 2): frames and samples of the same running time meet.
TEST_P(Segments, OfDifferentRatesMeetByRunningTime) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 128;
  GstSegment fast;
  gst_segment_init(&fast, GST_FORMAT_TIME);
  GstSegment stretched = fast;
  fast.rate = 2.0;
  stretched.applied_rate = 2.0;
  rig.video.begin(clip.picture.caps(), &fast);
  rig.audio.begin(audio_caps(clip.audio_format), &stretched);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  std::map<uint64_t, GstClockTime> time_of;
  for (const FrameSpec& spec : clip.specs()) {
    time_of[picture_hash_of(clip.picture, make_frame(clip.picture, spec).get())] = spec.pts;
  }
  int compared = 0;
  for (const auto& window : fake::windows()) {
    const GstClockTime pts = time_of[window.pictures.front()];
    if (pts < 1900 * GST_MSECOND || pts > 3200 * GST_MSECOND) continue;
    const auto begin =
        static_cast<size_t>(window.times.front() / 1000 * 16 / 1000 - window.audio_start);
    ASSERT_LT(begin, window.audio.size());
    const int64_t heard = place_of(std::span(window.audio).subspan(begin), 100000);
    const auto running = static_cast<double>(pts) / 2e9;
    EXPECT_NEAR(static_cast<double>(heard) / 16000, running, 0.01) << "frame of " << pts;
    ++compared;
  }
  EXPECT_GE(compared, 2);
  expect_frames(rig.take_buffers(), clip);
}

/// The clip's frames, the last one first.
void feed_frames_backwards(Feeder& video, const Clip& clip) {
  auto specs = clip.specs();
  std::reverse(specs.begin(), specs.end());
  for (const FrameSpec& spec : specs) video.push(make_frame(clip.picture, spec));
}

// Backwards frames pass as they come, none is edited, and nothing fails; forwards again they are
// edited.
TEST_P(Segments, BackwardsFramesPass) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_eos());
  rig.take();
  const size_t rendered = fake::windows().size();
  const Clip clip;
  GstSegment backwards = segment_at(0);
  backwards.rate = -1.0;
  backwards.stop = backwards.position = clip.end_time();
  rig.video.seekable = rig.audio.seekable = true;
  rig.video.on_seek = [&](GstEvent*) {
    rig.video.segment(backwards);
    feed_frames_backwards(rig.video, clip);
    rig.video.eos();
  };
  rig.audio.on_seek = [&](GstEvent*) {
    rig.audio.segment(backwards);
    for (int64_t at = 24000; at >= 0; at -= 1600) {
      rig.audio.push(make_audio(clip.audio_format, at, 1600, audio_time(at)));
    }
    rig.audio.eos();
  };
  EXPECT_TRUE(rig.send_upstream(gst_event_new_seek(-1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                                   GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_SET,
                                                   static_cast<gint64>(clip.end_time()))));
  rig.video.on_seek = rig.audio.on_seek = nullptr;
  ASSERT_TRUE(rig.wait_eos());
  auto specs = clip.specs();
  std::reverse(specs.begin(), specs.end());
  expect_frames(rig.take_buffers(), clip.picture, specs, [](size_t) { return Edit::kUntouched; });
  EXPECT_EQ(fake::windows().size(), rendered);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
  EXPECT_TRUE(rig.audio.wait_idle());
  ASSERT_TRUE(seek(rig, clip));
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// A seek to a key frame, or that snaps to one, would put video and audio at different places: both
// sources are sought accurately, to one place.
TEST_P(Segments, SeeksToKeyFramesAreAccurateForBoth) {
  for (const int flags :
       {int{GST_SEEK_FLAG_KEY_UNIT}, GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE,
        GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_AFTER,
        GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_NEAREST, 0}) {
    for (const int flush : {int{GST_SEEK_FLAG_FLUSH}, 0}) {
      SCOPED_TRACE(flags | flush);
      Rig rig(GetParam());
      rig.start();
      rig.video.seekable = rig.audio.seekable = true;
      feed(rig, Clip{});
      ASSERT_TRUE(rig.wait_eos());
      if (flush != 0) rig.video.on_seek = rig.audio.on_seek = [](GstEvent*) {};
      EXPECT_TRUE(rig.send_upstream(
          gst_event_new_seek(1.0, GST_FORMAT_TIME, static_cast<GstSeekFlags>(flags | flush),
                             GST_SEEK_TYPE_SET, 1234 * GST_MSECOND, GST_SEEK_TYPE_NONE, 0)));
      rig.video.on_seek = rig.audio.on_seek = nullptr;
      for (Feeder* feeder : {&rig.video, &rig.audio}) {
        const Ref<GstEvent> seek = feeder->last_event(GST_EVENT_SEEK);
        ASSERT_TRUE(seek);
        GstSeekFlags made = GST_SEEK_FLAG_NONE;
        gint64 start = 0;
        gst_event_parse_seek(seek.get(), nullptr, nullptr, &made, nullptr, &start, nullptr,
                             nullptr);
        EXPECT_EQ(start, 1234 * static_cast<gint64>(GST_MSECOND));
        EXPECT_NE(made & GST_SEEK_FLAG_ACCURATE, 0);
        EXPECT_EQ(made & (GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_NEAREST), 0);
        EXPECT_EQ(made & GST_SEEK_FLAG_FLUSH, flush);
      }
    }
  }
}

}  // namespace
}  // namespace latentsync::test
