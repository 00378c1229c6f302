#include "tests/gst/clip.h"

namespace latentsync::test {
namespace {

class Audio : public InBothModes {
 protected:
  /// Video and audio with segments of their own.
  void run_segments(const Clip& clip, const GstSegment& video, const GstSegment& audio,
                    const Retime& retime_audio = {}) {
    Rig rig(GetParam());
    rig.start();
    rig.video.begin(clip.picture.caps(), &video);
    rig.audio.begin(audio_caps(clip.audio_format), &audio);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip, retime_audio);
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    expect_frames(rig.take_buffers(), clip);
  }

  static GstSegment segment(GstClockTime start = 0, GstClockTime base = 0) {
    GstSegment made;
    gst_segment_init(&made, GST_FORMAT_TIME);
    made.start = made.time = made.position = start;
    made.base = base;
    return made;
  }
};
LATENTSYNC_IN_BOTH_MODES(Audio);

// The audio that a window is given is that of its frames' running times, however it was cut into
// buffers, in both formats.
TEST_P(Audio, FollowsTheFramesInEveryCutAndFormat) {
  for (const AudioFormat format : {AudioFormat::kF32, AudioFormat::kS16}) {
    for (const int64_t chunk : {7, 160, 333, 1600, 16000, 100000}) {
      SCOPED_TRACE(chunk);
      fake::reset();
      Rig rig(GetParam());
      Clip clip;
      clip.audio_format = format;
      clip.chunk = chunk;
      expect_frames(run(rig, clip), clip);
      expect_audio_follows(fake::windows(), clip);
      if (HasFailure()) return;
    }
  }
}

// Every window is given all that its session asked for, as far as there is such audio.
TEST_P(Audio, IsAllThatTheSessionNeeds) {
  Rig rig(GetParam());
  Clip clip;
  clip.frames = 100;
  run(rig, clip);
  for (const auto& window : fake::windows()) {
    EXPECT_LE(window.audio_start, std::max<int64_t>(window.needed.begin, 0));
    EXPECT_GE(window.audio_start + static_cast<int64_t>(window.audio.size()),
              std::min(window.needed.end, clip.end_sample()));
    for (size_t at = 0; at < window.audio.size(); ++at) {
      const int64_t sample = window.audio_start + static_cast<int64_t>(at);
      const bool there = sample >= 0 && sample < clip.end_sample();
      ASSERT_EQ(window.audio[at], there ? sample_at(sample) : 0.0f) << sample;
    }
  }
}

// S16LE and F32LE of the same sound give the same bytes.
TEST_P(Audio, OfBothFormatsGivesTheSameBytes) {
  std::vector<uint64_t> bytes[2];
  for (const AudioFormat format : {AudioFormat::kF32, AudioFormat::kS16}) {
    Rig rig(GetParam());
    Clip clip;
    clip.audio_format = format;
    bytes[format == AudioFormat::kS16] = hashes_of(run(rig, clip));
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

// Different segments on both pads: running time joins them.
TEST_P(Audio, IsJoinedByRunningTime) {
  Clip clip;
  clip.first = 50;  // 2 s
  // The video's segment begins with its first frame; the audio at 0.
  clip.audio_begin = 0;
  clip.audio_end = 16000 * 16 / 10;
  run_segments(clip, segment(2 * GST_SECOND), segment());
  expect_audio_follows(fake::windows(), clip, -32000);

  // The audio's timestamps are an hour ahead, its segment says so.
  fake::reset();
  const GstClockTime hour = 3600 * GST_SECOND;
  run_segments(clip, segment(2 * GST_SECOND), segment(hour),
               [=](GstBuffer* samples) { GST_BUFFER_PTS(samples) += hour; });
  expect_audio_follows(fake::windows(), clip, -32000);

  // The video comes 1 s later than its timestamps say: as much audio lies before it.
  fake::reset();
  Clip late;
  late.audio_begin = 0;
  late.audio_end = 16000 * 3;
  run_segments(late, segment(0, GST_SECOND), segment());
  expect_audio_follows(fake::windows(), late, 16000);

  // The audio comes 400 ms later: silence before it.
  fake::reset();
  Clip early;
  early.audio_begin = 0;
  early.audio_end = 16000 * 3;
  run_segments(early, segment(), segment(0, 400 * GST_MSECOND));
  expect_audio_follows(fake::windows(), early, -6400, [](int64_t sample) { return sample < 0; });
}

// Segments that have an end, as of a seek to a range: all is heard as without, and nothing is told
// downstream that nobody sent.
TEST_P(Audio, IsHeardInSegmentsWithAnEnd) {
  Rig rig(GetParam());
  Clip clip;
  clip.audio_end = 16000 * 3;
  GstSegment ends = segment();
  ends.stop = 10 * GST_SECOND;
  rig.start();
  rig.video.begin(clip.picture.caps(), &ends);
  rig.audio.begin(audio_caps(clip.audio_format), &ends);
  feed_frames(rig.video, clip);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(fake::windows().empty());
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  std::vector<Ref<GstBuffer>> frames;
  for (Output& output : rig.take()) {
    if (output.event) {
      EXPECT_NE(GST_EVENT_TYPE(output.event.get()), GST_EVENT_GAP);
    }
    if (output.buffer) frames.push_back(std::move(output.buffer));
  }
  expect_frames(frames, clip);
  expect_audio_follows(fake::windows(), clip);
}

// Samples before the segment's start are not heard.
TEST_P(Audio, IsCutWhereItsSegmentBegins) {
  Clip clip;
  clip.audio_begin = 0;
  clip.audio_end = 16000 * 3;
  clip.chunk = 1000;
  run_segments(clip, segment(), segment(500 * GST_MSECOND));
  expect_audio_follows(fake::windows(), clip, 8000);
  for (const auto& window : fake::windows()) {
    for (int64_t at = 0; at < static_cast<int64_t>(window.audio.size()); ++at) {
      if (window.audio_start + at < 0) {
        ASSERT_EQ(window.audio[static_cast<size_t>(at)], 0.0f);
      }
    }
  }
}

// Audio that begins late or ends early is silence there; what is too long is not waited for.
TEST_P(Audio, ThatIsShorterIsSilence) {
  for (const auto& [begin, end] :
       {std::pair<int64_t, int64_t>{6400, 16000}, {0, 8000}, {0, 160}, {24000, 30000}}) {
    SCOPED_TRACE(std::to_string(begin) + " to " + std::to_string(end));
    fake::reset();
    Rig rig(GetParam());
    Clip clip;
    clip.audio_begin = begin;
    clip.audio_end = end;
    expect_frames(run(rig, clip), clip);
    expect_audio_follows(fake::windows(), clip);
  }
}

// No audio at all but its end: silence, and the frames come.
TEST_P(Audio, MayBeEmpty) {
  Rig rig(GetParam());
  Clip clip;
  clip.audio_end = 0;
  expect_frames(run(rig, clip), clip);
  expect_audio_follows(fake::windows(), clip, 0, [](int64_t) { return true; });
}

// The same without caps and segment: an audio source that ends at once.
TEST_P(Audio, MayEndBeforeItsCaps) {
  Rig rig(GetParam());
  const Clip clip;
  rig.start();
  rig.audio.push(gst_event_new_stream_start("audio"));
  rig.audio.eos();
  rig.video.begin(clip.picture.caps());
  feed_frames(rig.video, clip);
  rig.video.eos();
  EXPECT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// Holes in the audio are silence, with gap events or without.
TEST_P(Audio, WithHolesIsSilenceThere) {
  for (const bool told : {true, false}) {
    SCOPED_TRACE(told);
    fake::reset();
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 60;
    rig.start();
    begin(rig, clip);
    feed_frames(rig.video, clip);
    Clip piece = clip;
    for (int64_t at = 0; at < clip.end_sample(); at += 4800) {
      piece.audio_begin = at;
      piece.audio_end = at + 3200;
      feed_samples(rig.audio, piece);
      if (told) rig.audio.gap(audio_time(at + 3200), 100 * GST_MSECOND);
    }
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    expect_frames(rig.take_buffers(), clip);
    expect_audio_follows(fake::windows(), clip, 0,
                         [](int64_t sample) { return sample % 4800 >= 3200; });
  }
}

// Timestamps that a container rounded to milliseconds neither lose nor double a sample.
TEST_P(Audio, WithRoundedTimestampsHasNoHoles) {
  Rig rig(GetParam());
  Clip clip;
  clip.frames = 60;
  clip.chunk = 333;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip, [](GstBuffer* samples) {
    GST_BUFFER_PTS(samples) = GST_BUFFER_PTS(samples) / GST_MSECOND * GST_MSECOND;
  });
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_audio_follows(fake::windows(), clip);
}

// Buffers that overlap or come again, as after a source's hiccup, do not shift what follows.
TEST_P(Audio, ThatOverlapsDoesNotShiftTheRest) {
  Rig rig(GetParam());
  Clip clip;
  clip.frames = 60;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  Clip piece = clip;
  for (const auto& [begin, end] :
       {std::pair<int64_t, int64_t>{0, 16000}, {9600, 16000}, {9600, 38400}}) {
    piece.audio_begin = begin;
    piece.audio_end = end;
    feed_samples(rig.audio, piece);
  }
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_audio_follows(fake::windows(), clip);
}

// Either stream may come long before the other.
TEST_P(Audio, MayBeAheadOrBehind) {
  std::vector<uint64_t> bytes[2];
  for (const bool ahead : {true, false}) {
    SCOPED_TRACE(ahead);
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 80;
    rig.start();
    begin(rig, clip);
    const auto give_audio = [&] {
      feed_samples(rig.audio, clip);
      rig.audio.eos();
    };
    if (ahead) give_audio();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    feed_frames(rig.video, clip);
    rig.video.eos();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (!ahead) give_audio();
    ASSERT_TRUE(rig.wait_eos());
    const auto outputs = rig.take_buffers();
    expect_frames(outputs, clip);
    bytes[ahead] = hashes_of(outputs);
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

// A window waits for its look-ahead: with audio-lookahead=1s no window is rendered before the
// audio of a second after it is there.
TEST_P(Audio, IsWaitedForAsFarAsTheLookAhead) {
  Rig rig(GetParam(), {{"audio-lookahead", "1000000000"}});
  Clip clip;
  clip.frames = 16;
  clip.audio_end = 16000 * 3 / 2;  // to 1.5 s; the window's last frame is at 0.6 s
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(rig.audio.wait_idle());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(fake::windows().empty());
  clip.audio_begin = clip.audio_end;
  clip.audio_end = 16000 * 2;
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(rig.wait_buffers(16));
  rig.video.eos();
  rig.audio.eos();
  EXPECT_TRUE(rig.wait_eos());
}

// audio-context=whole: nothing is rendered before the audio ends, and then all of it is known.
TEST_P(Audio, IsWholeBeforeTheFirstWindow) {
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  Clip clip;
  clip.audio_end = 16000 * 5;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(rig.audio.wait_idle());
  feed_frames(rig.video, clip);
  rig.video.eos();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(fake::windows().empty());
  EXPECT_EQ(rig.buffers(), 0u);
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_TRUE(fake::whole_audio_finished());
  const auto audio = fake::whole_audio();
  ASSERT_EQ(audio.size(), 80000u);
  for (size_t at = 0; at < audio.size(); ++at) {
    ASSERT_EQ(audio[at], sample_at(static_cast<int64_t>(at))) << at;
  }
  EXPECT_TRUE(rig.messages(GST_MESSAGE_WARNING).empty());
}

// audio-context=whole, and no more audio comes while video waits: after 2 s it warns once and goes
// on as sliding; nothing is lost.
TEST_P(Audio, ThatIsNeverWholeIsTakenAsItSlides) {
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  Clip clip;
  clip.frames = 400;
  clip.audio_end = 16000 * 4;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  feed_frames(rig.video, clip);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(rig.wait_buffers(64, std::chrono::seconds(6)));
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(waited, std::chrono::milliseconds(1500));
  EXPECT_LE(waited, patience(std::chrono::milliseconds(4000)));
  clip.audio_begin = clip.audio_end;
  clip.audio_end = 16000 * 16;
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
  for (const auto& window : fake::windows()) EXPECT_EQ(window.context, AudioContext::kSliding);
}

// Sliding, and a source that is slow: the user is told after 2 s, once, and every window waits for
// its audio.
TEST_P(Audio, ThatComesSlowlyIsWaitedFor) {
  Rig rig(GetParam());
  Clip clip;
  clip.frames = 200;
  clip.audio_end = 16000 * 2;
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  feed_frames(rig.video, clip);
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_WARNING));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  clip.audio_begin = clip.audio_end;
  clip.audio_end = 16000 * 8;
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
  EXPECT_EQ(fake::windows().size(), 13u);
}

}  // namespace
}  // namespace latentsync::test
