#include "tests/gst/clip.h"

#include <algorithm>

namespace latentsync::test {
namespace {

class Windows : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Windows);

GstSegment segment_from(GstClockTime start, GstClockTime time, GstClockTime base = 0) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.position = start;
  segment.time = time;
  segment.base = base;
  return segment;
}

/// The clip with its own video segment; the audio begins at running time 0.
std::vector<Ref<GstBuffer>> run_in(Rig& rig, const Clip& clip, const GstSegment& segment) {
  rig.start();
  rig.video.begin(clip.picture.caps(), &segment);
  rig.audio.begin(audio_caps(clip.audio_format));
  feed_frames(rig.video, clip);
  Clip sound = clip;
  sound.audio_begin = 0;
  sound.audio_end = static_cast<int64_t>(gst_util_uint64_scale(
      gst_segment_to_running_time(&segment, GST_FORMAT_TIME, clip.end_time()), 16000, GST_SECOND));
  feed_samples(rig.audio, sound);
  rig.video.eos();
  rig.audio.eos();
  if (!rig.wait_eos()) ADD_FAILURE() << "no end of stream; " << rig.buffers() << " frames came";
  return rig.take_buffers();
}

/// Sizes of windows of 16 on the grid of absolute numbers.
std::vector<size_t> grid(uint64_t first, uint64_t frames, uint64_t window = 16) {
  std::vector<size_t> sizes;
  for (uint64_t at = first; at < first + frames;) {
    const uint64_t next = std::min((at / window + 1) * window, first + frames);
    sizes.push_back(next - at);
    at = next;
  }
  return sizes;
}

struct Rate {
  int numerator;
  int denominator;
};
constexpr Rate kRates[] = {{25, 1}, {30, 1}, {24000, 1001}, {60, 1}, {30000, 1001}, {50, 1}};

// A stream that is entered anywhere has its windows where the stream from the beginning has them,
// at every usual rate, and the first is a short one.
TEST_P(Windows, LieOnTheGridOfAbsoluteFrameNumbers) {
  watch(std::chrono::seconds(60));
  for (const Rate rate : kRates) {
    for (const uint64_t first : {0u, 1u, 7u, 15u, 16u, 1003u, 90007u}) {
      SCOPED_TRACE(std::to_string(rate.numerator) + "/" + std::to_string(rate.denominator) +
                   " from " + std::to_string(first));
      fake::reset();
      Rig rig(GetParam());
      Clip clip;
      clip.first = first;
      clip.rate_numerator = rate.numerator;
      clip.rate_denominator = rate.denominator;
      clip.picture.rate = std::to_string(rate.numerator) + "/" + std::to_string(rate.denominator);
      const GstClockTime start = clip.begin_time();
      expect_frames(run_in(rig, clip, segment_from(start, start)), clip);
      EXPECT_EQ(window_sizes(fake::windows()), grid(first, clip.frames));
      if (HasFailure()) return;
    }
  }
}

// It is the stream time that counts: neither the timestamps nor the running time.
TEST_P(Windows, CountInStreamTime) {
  Rig rig(GetParam());
  const Clip clip;  // timestamps from 0, running time from 1 s, stream time from frame 5 on
  expect_frames(run_in(rig, clip, segment_from(0, frame_time(5, 25, 1), GST_SECOND)), clip);
  EXPECT_EQ(window_sizes(fake::windows()), grid(5, clip.frames));
}

// Timestamps that were rounded to milliseconds lie on the same grid.
TEST_P(Windows, LieOnTheGridWithRoundedTimestamps) {
  for (const Rate rate : kRates) {
    SCOPED_TRACE(rate.numerator);
    fake::reset();
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 100;
    clip.rate_numerator = rate.numerator;
    clip.rate_denominator = rate.denominator;
    clip.picture.rate = std::to_string(rate.numerator) + "/" + std::to_string(rate.denominator);
    rig.start();
    begin(rig, clip);
    feed_frames(rig.video, clip, [](GstBuffer* frame) {
      GST_BUFFER_PTS(frame) = (GST_BUFFER_PTS(frame) + GST_MSECOND / 2) / GST_MSECOND * GST_MSECOND;
    });
    feed_samples(rig.audio, clip);
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    EXPECT_EQ(window_sizes(fake::windows()), grid(0, clip.frames));
  }
}

// Without a constant rate windows are counted from the beginning.
TEST_P(Windows, AreCountedWhereTheRateVaries) {
  Rig rig(GetParam());
  Clip clip;
  clip.first = 7;
  clip.picture.rate = "0/1";
  const GstClockTime start = clip.begin_time();
  expect_frames(run_in(rig, clip, segment_from(start, start)), clip);
  EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{16, 16, 8}));
}

// Frames at any times, as a phone records them, come out with these times.
TEST_P(Windows, OfAVariableRateKeepTheFramesTimes) {
  Rig rig(GetParam());
  Clip clip;
  clip.picture.rate = "0/1";
  std::vector<FrameSpec> specs = clip.specs();
  GstClockTime time = 0;
  for (size_t index = 0; index < specs.size(); ++index) {
    specs[index].pts = time;
    specs[index].duration = index % 3 == 0 ? GST_CLOCK_TIME_NONE : 5 * GST_MSECOND;
    time += (3 + index * 37 % 90) * GST_MSECOND;
  }
  rig.start();
  begin(rig, clip);
  for (const FrameSpec& spec : specs) rig.video.push(make_frame(clip.picture, spec));
  clip.audio_end = 48000;
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip.picture, specs, [](size_t) { return Edit::kEdited; });
}

// The stream ends after each number of frames, the audio before it or after it.
TEST_P(Windows, EndWithTheStreamAtEachPosition) {
  for (uint64_t frames = 0; frames <= 17; ++frames) {
    for (const bool audio_first : {true, false}) {
      SCOPED_TRACE(std::to_string(frames) +
                   (audio_first ? " frames, audio first" : " frames, video first"));
      fake::reset();
      Rig rig(GetParam());
      Clip clip;
      clip.frames = frames;
      rig.start();
      begin(rig, clip);
      Feeder& late = audio_first ? rig.video : rig.audio;
      if (!audio_first) feed_frames(rig.video, clip);
      feed_samples(rig.audio, clip);
      if (audio_first) feed_frames(rig.video, clip);
      (audio_first ? rig.audio : rig.video).eos();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      late.eos();
      ASSERT_TRUE(rig.wait_eos());
      expect_frames(rig.take_buffers(), clip);
      EXPECT_EQ(window_sizes(fake::windows()), grid(0, frames));
      if (HasFailure()) return;
    }
  }
}

// The picture's size and format change at each position of a window: no window has both, every
// frame leaves after the caps that are its own.
TEST_P(Windows, EndAtACapsChangeAtEachPosition) {
  for (uint64_t position = 0; position <= 17; ++position) {
    SCOPED_TRACE(position);
    fake::reset();
    Rig rig(GetParam());
    Clip before;
    before.frames = position;
    Clip after;
    after.first = position;
    after.frames = 20;
    after.picture = {"NV12", 18, 40};
    rig.start();
    begin(rig, before);
    feed_frames(rig.video, before);
    rig.video.caps(after.picture.caps());
    feed_frames(rig.video, after);
    Clip sound;
    sound.frames = position + 20;
    feed_samples(rig.audio, sound);
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    std::vector<Ref<GstBuffer>> first;
    std::vector<Ref<GstBuffer>> second;
    int width = 0;
    for (Output& output : rig.take()) {
      if (output.event && GST_EVENT_TYPE(output.event.get()) == GST_EVENT_CAPS) {
        GstCaps* caps = nullptr;
        gst_event_parse_caps(output.event.get(), &caps);
        gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
      }
      if (output.buffer) (width == 18 ? second : first).push_back(std::move(output.buffer));
    }
    expect_frames(first, before);
    expect_frames(second, after);
    auto expected = grid(0, position);
    const auto rest = grid(position, 20);
    expected.insert(expected.end(), rest.begin(), rest.end());
    EXPECT_EQ(window_sizes(fake::windows()), expected);
    if (HasFailure()) return;
  }
}

// A discontinuity at each position of a window begins a new window, which says so.
TEST_P(Windows, EndAtADiscontinuityAtEachPosition) {
  for (uint64_t position = 1; position <= 17; ++position) {
    SCOPED_TRACE(position);
    fake::reset();
    Rig rig(GetParam());
    const Clip clip;
    rig.start();
    begin(rig, clip);
    uint64_t number = 0;
    feed_frames(rig.video, clip, [&](GstBuffer* frame) {
      if (number++ == position) GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_DISCONT);
    });
    feed_samples(rig.audio, clip);
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    const auto outputs = rig.take_buffers();
    ASSERT_EQ(outputs.size(), clip.frames);
    for (size_t at = 0; at < outputs.size(); ++at) {
      EXPECT_EQ(GST_BUFFER_FLAG_IS_SET(outputs[at].get(), GST_BUFFER_FLAG_DISCONT), at == position);
    }
    uint64_t begin = 0;
    bool found = false;
    for (const auto& window : fake::windows()) {
      found = found || (begin == position && window.discontinuity);
      EXPECT_FALSE(begin < position && position < begin + window.times.size())
          << "one window has both";
      begin += window.times.size();
    }
    EXPECT_TRUE(found) << "no window that begins there says so";
  }
}

// A new segment at each position of a window: frames stay in order, none is lost, and no window
// has frames of both.
TEST_P(Windows, EndAtASegmentChangeAtEachPosition) {
  for (uint64_t position = 1; position <= 17; ++position) {
    SCOPED_TRACE(position);
    fake::reset();
    Rig rig(GetParam());
    Clip before;
    before.frames = position;
    Clip after;
    after.first = 250;
    after.frames = 20;
    rig.start();
    begin(rig, before);
    feed_frames(rig.video, before);
    rig.video.segment(segment_from(after.begin_time(), after.begin_time(), before.end_time()));
    feed_frames(rig.video, after);
    Clip sound;
    sound.frames = position + 20;
    feed_samples(rig.audio, sound);
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    const auto outputs = rig.take_buffers();
    std::vector<FrameSpec> specs = before.specs();
    const auto rest = after.specs();
    specs.insert(specs.end(), rest.begin(), rest.end());
    expect_frames(outputs, before.picture, specs, [](size_t) { return Edit::kEdited; });
    auto expected = grid(0, position);
    const auto second = grid(250, 20);
    expected.insert(expected.end(), second.begin(), second.end());
    EXPECT_EQ(window_sizes(fake::windows()), expected);
    if (HasFailure()) return;
  }
}

// A hole in the video, with a gap event or without: all frames that came leave, and no window
// reaches over the grid.
TEST_P(Windows, MayHaveHoles) {
  for (const bool told : {true, false}) {
    for (const uint64_t position : {1u, 8u, 15u, 16u, 17u}) {
      SCOPED_TRACE(std::to_string(position) + (told ? " told" : ""));
      fake::reset();
      Rig rig(GetParam());
      Clip before;
      before.frames = position;
      Clip after;
      after.first = position + 5;
      after.frames = 30;
      rig.start();
      begin(rig, before);
      feed_frames(rig.video, before);
      if (told) rig.video.gap(before.end_time(), after.begin_time() - before.end_time());
      feed_frames(rig.video, after);
      Clip sound;
      sound.frames = position + 35;
      feed_samples(rig.audio, sound);
      rig.video.eos();
      rig.audio.eos();
      ASSERT_TRUE(rig.wait_eos());
      std::vector<FrameSpec> specs = before.specs();
      const auto rest = after.specs();
      specs.insert(specs.end(), rest.begin(), rest.end());
      expect_frames(rig.take_buffers(), before.picture, specs,
                    [](size_t) { return Edit::kEdited; });
      size_t at = 0;
      for (const size_t size : window_sizes(fake::windows())) {
        EXPECT_EQ(specs[at].number / 16, specs[at + size - 1].number / 16);
        at += size;
      }
      if (HasFailure()) return;
    }
  }
}

// Times that go back without a word, and frames at the same time: every frame leaves, in order.
TEST_P(Windows, MayHaveTimesThatDoNotAscend) {
  Rig rig(GetParam());
  Clip clip;
  std::vector<FrameSpec> specs = clip.specs();
  for (size_t at = 5; at < specs.size(); ++at) specs[at].pts -= 40 * GST_MSECOND;
  for (size_t at = 20; at < specs.size(); ++at) specs[at].pts -= 400 * GST_MSECOND;
  rig.start();
  begin(rig, clip);
  for (const FrameSpec& spec : specs) rig.video.push(make_frame(clip.picture, spec));
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip.picture, specs, [](size_t) { return Edit::kEither; });
}

// Frames without timestamps leave too, or are refused with an error; they never hang.
TEST_P(Windows, OfFramesWithoutTimestampsDoNotHang) {
  Rig rig(GetParam());
  Clip clip;
  std::vector<FrameSpec> specs = clip.specs();
  for (auto& spec : specs) spec.pts = spec.duration = GST_CLOCK_TIME_NONE;
  rig.start();
  begin(rig, clip);
  for (const FrameSpec& spec : specs) rig.video.push(make_frame(clip.picture, spec));
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  if (rig.messages(GST_MESSAGE_ERROR).empty()) {
    expect_frames(rig.take_buffers(), clip.picture, specs, [](size_t) { return Edit::kEither; });
  }
}

// The video ends while the audio goes on: the stream ends.
TEST_P(Windows, EndWithTheVideoWhileAudioGoesOn) {
  Rig rig(GetParam());
  Clip clip;
  clip.audio_end = 16000 * 10;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  rig.video.eos();
  feed_samples(rig.audio, clip);
  EXPECT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// Frames outside the segment leave like all others or are clipped as other elements do it, and
// those inside are all there.
TEST_P(Windows, KeepAllFramesOfTheSegment) {
  Rig rig(GetParam());
  Clip clip;
  GstSegment segment = segment_from(frame_time(10, 25, 1), frame_time(10, 25, 1));
  segment.stop = frame_time(30, 25, 1);
  rig.start();
  rig.video.begin(clip.picture.caps(), &segment);
  rig.audio.begin(audio_caps(clip.audio_format));
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  uint64_t expected = 10;
  for (const auto& output : rig.take_buffers()) {
    const GstClockTime time = GST_BUFFER_PTS(output.get());
    if (time < segment.start || time >= segment.stop) continue;
    EXPECT_EQ(time, frame_time(expected++, 25, 1));
  }
  EXPECT_EQ(expected, 30u);
}

}  // namespace
}  // namespace latentsync::test
