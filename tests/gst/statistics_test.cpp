#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <atomic>
#include <random>

/// The counts of the property stats.
namespace latentsync::test {
namespace {

class Statistics : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Statistics);

/// Fails the test unless each frame that came in has become one of three things.
void expect_sum(Rig& rig, int64_t in) {
  const Ref<GstStructure> stats = stats_of(rig);
  const auto count = [&](const char* name) { return number(stats.get(), name); };
  EXPECT_EQ(count("frames-in"), in) << text_of(stats.get());
  EXPECT_EQ(count("frames-edited") + count("frames-passed") + count("frames-dropped"), in)
      << text_of(stats.get());
  EXPECT_EQ(count("frames-edited") + count("frames-passed"), count("frames-out"))
      << text_of(stats.get());
}

// Frames that went in are edited, passed or dropped, and the first two are those that came out,
// also where windows were flushed before, while and after they were made.
TEST_P(Statistics, AddUpAfterFlushes) {
  fake::behave("step-delay=1ms,no-face=400ms-800ms,record=off");
  Rig rig(GetParam());
  rig.start();
  begin(rig, Clip{});
  ASSERT_TRUE(rig.video.wait_idle());
  std::atomic<int64_t> pushed = 0;
  gst_pad_add_probe(
      rig.video.pad(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo*, gpointer data) {
        ++*static_cast<std::atomic<int64_t>*>(data);
        return GST_PAD_PROBE_OK;
      },
      &pushed, nullptr);
  std::minstd_rand random(5);
  for (int round = 0; round < 20; ++round) {
    Clip clip;
    clip.frames = 20 + random() % 40;
    ASSERT_TRUE(seek(rig, clip));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
  }
  ASSERT_TRUE(seek(rig, Clip{}));
  ASSERT_TRUE(rig.wait_eos());
  const Ref<GstStructure> stats = stats_of(rig);
  const auto count = [&](const char* name) { return number(stats.get(), name); };
  const std::string text = text_of(stats.get());
  // A frame that comes during a flush may be refused before it is counted.
  EXPECT_LE(count("frames-in"), pushed) << text;
  EXPECT_GE(count("frames-in"), 40) << text;
  EXPECT_EQ(count("frames-edited") + count("frames-passed") + count("frames-dropped"),
            count("frames-in"))
      << text;
  EXPECT_EQ(count("frames-edited") + count("frames-passed"), count("frames-out")) << text;
}

// The same without flushes: all that came in came out.
TEST_P(Statistics, AddUpAtTheEnd) {
  fake::behave("no-face=400ms-800ms");
  Rig rig(GetParam());
  run(rig, Clip{});
  expect_sum(rig, 40);
  EXPECT_EQ(number(stats_of(rig).get(), "frames-dropped"), 0);
}

// A window that is flushed while it is rendered is dropped, not edited.
TEST_P(Statistics, CountAFlushedWindowAsDropped) {
  fake::hold_renders();
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 16;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  Clip sound;
  feed_samples(rig.audio, sound);
  ASSERT_TRUE(fake::wait_for_renders(1));
  ASSERT_TRUE(seek(rig, clip));
  fake::release();
  ASSERT_TRUE(rig.wait_eos());
  expect_sum(rig, 32);
  EXPECT_EQ(number(stats_of(rig).get(), "frames-dropped"), 16);
}

}  // namespace
}  // namespace latentsync::test
