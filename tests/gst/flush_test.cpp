#include "tests/gst/clip.h"

#include <random>

namespace latentsync::test {
namespace {

class Flush : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Flush);

// No window begins while the video flushes, and nothing of what came before leaves after it.
TEST_P(Flush, BeginsNoWindowInAFlush) {
  Rig rig(GetParam());
  rig.start();
  fake::hold_renders();
  const Clip clip;
  begin(rig, clip);
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
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// A flush of the video alone during its last window is no end of the stream.
TEST_P(Flush, FlushOfTheLastWindowIsNoEnd) {
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
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// Flushes of the video alone, at any moment of windows that follow each other fast, stop nothing.
TEST_P(Flush, SurvivesFlushesOfTheVideo) {
  fake::behave("record=off");
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 100;
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  std::minstd_rand random(3);
  for (int round = 0; round < 400; ++round) {
    rig.video.segment(segment_at(0));
    feed_frames(rig.video, clip);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 3000));
    rig.video.flush_start();
    rig.video.flush_stop();
  }
  rig.take();
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
}

/// A flush with this number, and the clip after it.
void refill(Rig& rig, bool video, const Clip& clip, guint32 number) {
  Feeder& feeder = video ? rig.video : rig.audio;
  feeder.flush_start(number);
  feeder.flush_stop(number);
  feeder.segment(segment_at(clip.begin_time()));
  video ? feed_frames(feeder, clip) : feed_samples(feeder, clip);
  feeder.eos();
}

/// The windows from NUMBER on.
std::vector<fake::WindowRecord> windows_from(size_t number) {
  auto windows = fake::windows();
  windows.erase(windows.begin(), windows.begin() + static_cast<std::ptrdiff_t>(number));
  return windows;
}

// A seek that comes to the audio's source first, by another sink of the pipeline: what the audio
// brings before the video has flushed is heard.
TEST_P(Flush, KeepsAudioThatIsThereFirst) {
  for (const char* context : {"sliding", "whole"}) {
    SCOPED_TRACE(context);
    Rig rig(GetParam(), {{"audio-context", context}});
    Clip late;
    late.first = 1000;
    rig.start();
    begin(rig, late);
    feed_frames(rig.video, late);
    feed_samples(rig.audio, late);
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_buffers(32));
    const size_t before = fake::windows().size();
    const guint32 number = gst_util_seqnum_next();
    refill(rig, false, Clip{}, number);
    EXPECT_TRUE(rig.audio.wait_idle());
    refill(rig, true, Clip{}, number);
    ASSERT_TRUE(rig.wait_eos());
    expect_frames(rig.take_buffers(), Clip{});
    if (std::string(context) == "sliding") expect_audio_follows(windows_from(before), Clip{});
    if (std::string(context) == "whole") EXPECT_GE(fake::whole_audio().size(), 16000u);
    EXPECT_TRUE(rig.messages(GST_MESSAGE_WARNING).empty());
  }
}

// A seek that comes to the audio's source twice, by each of two sinks: the second flush takes
// nothing from the video.
TEST_P(Flush, KeepsFramesWhereTheAudioFlushesTwice) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(16));
  const guint32 number = gst_util_seqnum_next();
  Clip clip;
  clip.frames = 64;
  refill(rig, false, clip, number);
  refill(rig, true, clip, number);
  ASSERT_TRUE(rig.wait_buffers(16));
  refill(rig, false, clip, number);
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

/// A clip of one window, whose frames leave while the audio alone has been flushed.
void end_behind_a_flush(Rig& rig, const Clip& clip, guint32 number) {
  fake::hold_renders();
  feed(rig, clip);
  ASSERT_TRUE(fake::wait_for_renders(1));
  ASSERT_TRUE(rig.video.wait_idle());
  ASSERT_TRUE(rig.audio.wait_idle());
  rig.audio.flush_start(number);
  rig.audio.flush_stop(number);
  rig.audio.segment(segment_at(0));
  fake::release();
  ASSERT_TRUE(rig.wait_buffers(clip.frames));
}

// A seek that comes to the audio's source first, during the last window: what the audio brings
// then is heard, although all that the video brought has left.
TEST_P(Flush, DoesNotEndBetweenThePartsOfASeek) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 10;
  const guint32 number = gst_util_seqnum_next();
  ASSERT_NO_FATAL_FAILURE(end_behind_a_flush(rig, clip, number));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(rig.eos());
  const size_t before = fake::windows().size();
  const Clip next;
  feed_samples(rig.audio, next);
  rig.audio.eos();
  refill(rig, true, next, number);
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), next);
  expect_audio_follows(windows_from(before), next);
}

// Where nothing follows a flush of the audio, the stream ends all the same.
TEST_P(Flush, EndsAfterAFlushOfTheAudioAlone) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 10;
  ASSERT_NO_FATAL_FAILURE(end_behind_a_flush(rig, clip, gst_util_seqnum_next()));
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

}  // namespace
}  // namespace latentsync::test
