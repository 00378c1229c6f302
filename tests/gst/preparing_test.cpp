#include "tests/gst/clip.h"

#include <algorithm>
#include <cstring>
#include <map>

/// The window after the one that is being rendered is prepared meanwhile, where that is of use.
namespace latentsync::test {
namespace {

class Preparing : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    choose(true);
  }
  void TearDown() override {
    g_unsetenv("LATENTSYNC_PREPARE_AHEAD");
    ElementTest::TearDown();
  }
  static void choose(bool on) { g_setenv("LATENTSYNC_PREPARE_AHEAD", on ? "1" : "0", TRUE); }

  static size_t prepared_windows() {
    const auto windows = fake::windows();
    return static_cast<size_t>(std::count_if(windows.begin(), windows.end(),
                                             [](const auto& one) { return one.prepared; }));
  }
  /// RIG renders its first window, and the next one is being prepared until fake::release().
  static void prepare_and_hold(Rig& rig, const Clip& clip) {
    fake::hold_prepares();
    fake::hold_renders();
    rig.start();
    feed(rig, clip);
    ASSERT_TRUE(fake::wait_for_renders(1));
    ASSERT_TRUE(fake::wait_for_prepares(1));
  }
};

Clip four_windows() {
  Clip clip;
  clip.frames = 64;
  return clip;
}

// While a window is rendered the next one is prepared, and used: for every audio context.
TEST_F(Preparing, PreparesTheNextWindow) {
  for (const char* context : {"sliding", "whole"}) {
    SCOPED_TRACE(context);
    fake::reset();
    fake::hold_renders();
    Rig rig(Mode::kNotLive, {{"audio-context", context}});
    rig.start();
    const Clip clip = four_windows();
    feed(rig, clip);
    ASSERT_TRUE(fake::wait_for_prepared(1));
    EXPECT_TRUE(fake::windows().empty()) << "the first window is still being rendered";
    fake::release();
    ASSERT_TRUE(rig.wait_eos());
    expect_frames(rig.take_buffers(), clip);
    const auto windows = fake::windows();
    ASSERT_EQ(windows.size(), 4u);
    EXPECT_FALSE(windows[0].prepared);
    EXPECT_TRUE(windows[1].prepared);
  }
}

// Prepared or not, a stream has the same bytes.
TEST_F(Preparing, ChangesNoByte) {
  const Clip clip = four_windows();
  std::map<bool, std::vector<uint64_t>> bytes;
  std::map<bool, size_t> prepared;
  for (const bool on : {false, true}) {
    fake::reset();
    fake::behave("delay=20ms");
    choose(on);
    Rig rig;
    bytes[on] = hashes_of(run(rig, clip));
    prepared[on] = prepared_windows();
  }
  EXPECT_EQ(bytes[false], bytes[true]);
  EXPECT_EQ(prepared[false], 0u);
  EXPECT_GE(prepared[true], 1u);
}

// In a live graph nothing is prepared: a window's time, which others are chosen by, is its own.
TEST_F(Preparing, LeavesLiveGraphsAlone) {
  fake::hold_renders();
  Rig rig(Mode::kLive, {{"late-policy", "wait"}});
  rig.start();
  feed(rig, four_windows());
  ASSERT_TRUE(fake::wait_for_renders(1));
  EXPECT_FALSE(fake::wait_for_prepares(1, std::chrono::milliseconds(200)));
  fake::release();
  EXPECT_TRUE(rig.wait_eos());
}

// Without the variable in the environment nothing is prepared, on a GPU neither.
TEST_F(Preparing, IsOffByDefault) {
  g_unsetenv("LATENTSYNC_PREPARE_AHEAD");
  fake::behave("device=cuda:0");
  fake::hold_renders();
  Rig rig;
  rig.start();
  feed(rig, four_windows());
  ASSERT_TRUE(fake::wait_for_renders(1));
  EXPECT_FALSE(fake::wait_for_prepares(1, std::chrono::milliseconds(200)));
  fake::release();
  EXPECT_TRUE(rig.wait_eos());
}

// A flush ends what is being prepared, and what comes after it is rendered.
TEST_F(Preparing, EndsWithAFlush) {
  Rig rig;
  const Clip clip = four_windows();
  ASSERT_NO_FATAL_FAILURE(prepare_and_hold(rig, clip));
  rig.video.flush_start();
  rig.video.flush_stop();
  EXPECT_TRUE(fake::wait_for_prepared(1)) << "before anything is released";
  fake::release();
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// A flush while the window itself waits for its preparation.
TEST_F(Preparing, EndsWithAFlushWhereTheWindowWaits) {
  Rig rig;
  const Clip clip = four_windows();
  ASSERT_NO_FATAL_FAILURE(prepare_and_hold(rig, clip));
  fake::release_renders();
  ASSERT_TRUE(rig.wait_buffers(16));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(fake::windows().size(), 1u) << "the second window waits";
  rig.video.flush_start();
  rig.video.flush_stop();
  EXPECT_TRUE(fake::wait_for_prepared(1));
  rig.take();
  fake::release();
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// A seek while a window is prepared.
TEST_F(Preparing, EndsWithASeek) {
  Rig rig;
  ASSERT_NO_FATAL_FAILURE(prepare_and_hold(rig, four_windows()));
  Clip clip = four_windows();
  clip.first = 200;
  rig.video.seekable = rig.audio.seekable = true;
  ASSERT_TRUE(seek(rig, clip));
  EXPECT_TRUE(fake::wait_for_prepared(1));
  fake::release();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// NULL while a window is prepared, and while another one waits for it; then all of it again.
TEST_F(Preparing, EndsWithTheElement) {
  for (const bool window_waits : {false, true}) {
    SCOPED_TRACE(window_waits);
    fake::reset();
    Rig rig;
    const Clip clip = four_windows();
    ASSERT_NO_FATAL_FAILURE(prepare_and_hold(rig, clip));
    if (window_waits) {
      fake::release_renders();
      ASSERT_TRUE(rig.wait_buffers(16));
    }
    rig.stop();
    EXPECT_EQ(fake::live_sessions(), 0);
    rig.take();
    fake::release();
    expect_frames(run(rig, clip), clip);
  }
}

// The last window was prepared: the stream ends after it.
TEST_F(Preparing, EndsWithTheStream) {
  Rig rig;
  Clip clip;
  clip.frames = 20;  // a window and the rest
  ASSERT_NO_FATAL_FAILURE(prepare_and_hold(rig, clip));
  EXPECT_FALSE(rig.eos());
  fake::release();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_EQ(prepared_windows(), 1u);
}

// A window fails while the next one is prepared: one error, and the element stops.
TEST_F(Preparing, EndsWithAnError) {
  fake::behave("render-failure=device@0");
  Rig rig;
  ASSERT_NO_FATAL_FAILURE(prepare_and_hold(rig, four_windows()));
  fake::release();
  ASSERT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  rig.stop();
  EXPECT_EQ(rig.messages(GST_MESSAGE_ERROR).size(), 1u);
}

/// Puts frames into memory that lives as long as the test, one place for each time.
class SamePlaces {
 public:
  void operator()(GstBuffer* buffer) {
    const std::vector<uint8_t> bytes = bytes_of(buffer);
    auto& place = places_[GST_BUFFER_PTS(buffer)];
    place.resize(bytes.size());
    std::memcpy(place.data(), bytes.data(), bytes.size());
    gst_buffer_replace_all_memory(
        buffer, gst_memory_new_wrapped(GST_MEMORY_FLAG_READONLY, place.data(), place.size(), 0,
                                       place.size(), nullptr, nullptr));
  }

 private:
  std::map<GstClockTime, std::vector<uint8_t>> places_;
};

// Frames that come after a flush to the same times, in the same memory, have other pixels: what
// was prepared of those before the flush is not taken for them.
TEST_F(Preparing, ForgetsWhatWasFlushed) {
  SamePlaces places;
  Rig rig;
  fake::hold_renders();
  rig.start();
  const Clip clip = four_windows();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  feed_frames(rig.video, clip, [&](GstBuffer* buffer) {
    // The second window, which is prepared, continues nothing, as one after a flush.
    if (GST_BUFFER_PTS(buffer) == frame_time(16, 25, 1)) {
      GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    }
    places(buffer);
  });
  ASSERT_TRUE(fake::wait_for_prepared(1));
  rig.video.flush_start();
  rig.video.flush_stop();
  fake::release();
  Clip others = clip;
  others.first = 16;
  others.frames = 16;
  GstSegment segment = segment_at(others.begin_time());
  segment.base = others.begin_time();
  rig.video.segment(segment);
  // The pictures of other frames at these times.
  Clip pictures = others;
  pictures.first = 500;
  feed_frames(rig.video, pictures, [&](GstBuffer* buffer) {
    GST_BUFFER_PTS(buffer) -= pictures.begin_time() - others.begin_time();
    places(buffer);
  });
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  const auto windows = fake::windows();
  ASSERT_FALSE(windows.empty());
  EXPECT_TRUE(windows.back().discontinuity);
  EXPECT_FALSE(windows.back().prepared);
}

// Flushes at any moment of windows that are rendered and prepared fast stop nothing, and no window
// is taken for another one.
TEST_F(Preparing, SurvivesFlushes) {
  fake::behave("record=off,delay=1ms,prepare-delay=1ms");
  Rig rig;
  rig.start();
  Clip clip;
  clip.frames = 100;
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  for (int round = 0; round < 200; ++round) {
    rig.video.segment(segment_at(0));
    feed_frames(rig.video, clip);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + round * 137 % 5000));
    rig.video.flush_start();
    rig.video.flush_stop();
  }
  rig.take();
  rig.video.segment(segment_at(0));
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
}

}  // namespace
}  // namespace latentsync::test
