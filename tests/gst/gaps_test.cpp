#include "tests/gst/clip.h"
#include "tests/gst/demuxer.h"
#include "tests/gst/told.h"

/// GAP events: what they hold up, what they set free, and what they carry.
namespace latentsync::test {
namespace {

class Gaps : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Gaps);
class DemuxedGaps : public ElementTest {};

/// Waits until a GAP has come out; all that came before and with it.
std::vector<Output> take_until_gap(Rig& rig) {
  std::vector<Output> all;
  const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(2));
  while (events_of(all, GST_EVENT_GAP).empty() && std::chrono::steady_clock::now() < deadline) {
    for (Output& output : rig.take()) all.push_back(std::move(output));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return all;
}

/// Fails the test unless OUTPUTS are the events that begin a stream, the segment among them, and a
/// GAP of TIME and DURATION.
void expect_gap_behind_segment(const std::vector<Output>& outputs, GstClockTime time,
                               GstClockTime duration) {
  const auto gaps = events_of(outputs, GST_EVENT_GAP);
  ASSERT_EQ(gaps.size(), 1u);
  GstClockTime made_time = 0;
  GstClockTime made_duration = 0;
  gst_event_parse_gap(gaps.front(), &made_time, &made_duration);
  EXPECT_EQ(made_time, time);
  EXPECT_EQ(made_duration, duration);
  const auto segments = events_of(outputs, GST_EVENT_SEGMENT);
  ASSERT_EQ(segments.size(), 1u);
  for (const Output& output : outputs) {
    if (output.event.get() == gaps.front()) break;
    EXPECT_FALSE(output.buffer);
    if (output.event.get() == segments.front()) return;
  }
  ADD_FAILURE() << "the GAP came before the segment";
}

// Video that begins with a GAP: it leaves at once, with the segment, so that a sink prerolls and a
// muxer goes on; the frames that come later are whole.
TEST_P(Gaps, AtTheStartLeaveAtOnce) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.first = 25;
  begin(rig, clip);
  rig.video.gap(0, GST_SECOND);
  expect_gap_behind_segment(take_until_gap(rig), 0, GST_SECOND);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  auto outputs = rig.take();
  EXPECT_TRUE(events_of(outputs, GST_EVENT_SEGMENT).empty());
  expect_frames(buffers_of(std::move(outputs)), clip);
}

// One of no length at the start, as tsdemux sends it, leaves too.
TEST_P(Gaps, OfNoLengthAtTheStartLeaveAtOnce) {
  Rig rig(GetParam());
  rig.start();
  begin(rig, Clip{});
  rig.video.gap(0, 0);
  expect_gap_behind_segment(take_until_gap(rig), 0, 0);
}

// After a seek it is the same.
TEST_P(Gaps, AfterASeekLeaveAtOnce) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_eos());
  rig.take();
  Clip sound;
  sound.first = 100;
  sound.frames = 100;
  const GstSegment segment = segment_at(4 * GST_SECOND);
  ASSERT_TRUE(rig.seek(
      [&](Rig&, bool video) {
        (video ? rig.video : rig.audio).segment(segment);
        if (video) {
          rig.video.gap(4 * GST_SECOND, GST_SECOND);
        } else {
          feed_samples(rig.audio, sound);
        }
      },
      4 * GST_SECOND));
  expect_gap_behind_segment(take_until_gap(rig), 4 * GST_SECOND, GST_SECOND);
}

// One between frames keeps its place, its number and its flags.
TEST_P(Gaps, KeepPlaceNumberAndFlags) {
  Rig rig(GetParam());
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  GstEvent* gap = gst_event_new_gap(clip.end_time(), GST_SECOND);
  gst_event_set_gap_flags(gap, GST_GAP_FLAG_MISSING_DATA);
  const guint32 seqnum = gst_event_get_seqnum(gap);
  rig.video.push(gap);
  Clip later;
  later.first = 65;
  feed_frames(rig.video, later);
  Clip sound;
  sound.frames = 105;
  feed_samples(rig.audio, sound);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  size_t frames = 0;
  size_t gaps = 0;
  for (const Output& output : rig.take()) {
    if (output.buffer) ++frames;
    if (!output.event || GST_EVENT_TYPE(output.event.get()) != GST_EVENT_GAP) continue;
    ++gaps;
    GstGapFlags flags = {};
    gst_event_parse_gap_flags(output.event.get(), &flags);
    EXPECT_EQ(frames, clip.frames);
    EXPECT_EQ(gst_event_get_seqnum(output.event.get()), seqnum);
    EXPECT_EQ(flags, GST_GAP_FLAG_MISSING_DATA);
  }
  EXPECT_EQ(gaps, 1u);
  EXPECT_EQ(frames, clip.frames + later.frames);
}

// A GAP of the audio without a length says that there is nothing up to its time: the video is
// edited with silence, and nobody waits.
TEST_P(Gaps, OfTheAudioWithoutLengthAreSilenceUpToThem) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 250;
  clip.audio_end = 16000;
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.gap(10 * GST_SECOND, 0);
  feed_frames(rig.video, clip);
  EXPECT_TRUE(rig.wait_buffers(224, std::chrono::milliseconds(1500))) << rig.buffers();
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  expect_audio_follows(fake::windows(), clip);
  EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
}

// The same where one thread brings both streams.
TEST_F(DemuxedGaps, OfTheAudioHoldNothingBack) {
  Rig rig;
  Clip clip;
  clip.frames = 250;
  clip.audio_end = 16000;
  Demuxer demuxer(rig, [&](Demuxer& self) {
    self.push_second(clip, 0);
    self.push_audio(gst_event_new_gap(10 * GST_SECOND, 0));
    for (const FrameSpec& spec : clip.specs()) self.push_frame(clip, spec);
    self.push_audio(gst_event_new_gap(10 * GST_SECOND, 0));
    self.eos();
  });
  rig.start();
  demuxer.start(clip);
  EXPECT_TRUE(rig.wait_eos(std::chrono::milliseconds(1800)));
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
  rig.stop();
}

}  // namespace
}  // namespace latentsync::test
