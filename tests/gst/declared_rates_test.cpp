#include "tests/gst/clip.h"
#include "tests/gst/demuxer.h"
#include "tests/gst/told.h"

#include <algorithm>

/// Frame rates in caps that are not those of the frames.
namespace latentsync::test {
namespace {

class DeclaredRates : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(DeclaredRates);
class DemuxedRates : public ElementTest {};

// A rate that is declared too high, as browsers, cameras and field-based H.264 do it: windows hold
// as many frames as at the real one.
TEST_P(DeclaredRates, ThatAreTooHighGiveFullWindows) {
  for (const char* rate : {"25/1", "50/1", "60/1", "1000/1", "90000/1"}) {
    SCOPED_TRACE(rate);
    fake::reset();
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 160;
    clip.picture.rate = rate;
    expect_frames(run(rig, clip), clip);
    const auto sizes = window_sizes(fake::windows());
    // What the first frames can be taken for is one window at most.
    EXPECT_LE(sizes.size(), 11u) << testing::PrintToString(sizes);
    const auto full = std::count(sizes.begin(), sizes.end(), 16u);
    EXPECT_GE(full, 9) << testing::PrintToString(sizes);
  }
}

// A rate that is declared too low, with windows so small that few frames are held: nothing waits
// for more of them, and all are edited.
TEST_P(DeclaredRates, ThatAreTooLowDoNotHang) {
  for (const char* rate : {"10/1", "1/1", "1/1000"}) {
    for (const char* window : {"1", "2", "16"}) {
      SCOPED_TRACE(std::string(rate) + " " + window);
      Rig rig(GetParam(), {{"window-frames", window}, {"audio-lookahead", "120000000"}});
      Clip clip;
      clip.picture.rate = rate;
      expect_frames(run(rig, clip), clip);
      if (HasFailure()) return;
    }
  }
}

// The latency has the windows as they are, not as they were declared.
TEST_P(DeclaredRates, ThatAreTooHighCountInTheLatency) {
  if (GetParam() != Mode::kLive) GTEST_SKIP() << "for live graphs only";
  GstClockTime expected = 0;
  for (const char* rate : {"25/1", "1000/1"}) {
    SCOPED_TRACE(rate);
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 160;
    clip.picture.rate = rate;
    run(rig, clip);
    const GstClockTime least = rig.update_latency().least;
    if (expected == 0) expected = least;
    EXPECT_EQ(least, expected);
  }
}

// At the ends of what caps can say nothing overflows: no warning of GLib, a latency of no less than
// the look-ahead, and all frames.
TEST_P(DeclaredRates, AtTheEndsOfTheRangeDoNotOverflow) {
  struct Case {
    const char* rate;
    const char* window;
    const char* lookahead;
  };
  for (const Case& one : {Case{"2147483647/1", "1", "500000000"},
                          {"1/2147483647", "16", "500000000"},
                          {"1000000000/1", "16", "3000000000"},
                          {"1000000000/1", "24", "5000000000"},
                          {"1/1000", "16", "500000000"}}) {
    SCOPED_TRACE(std::string(one.rate) + " " + one.window);
    Rig rig(GetParam(), {{"window-frames", one.window}, {"audio-lookahead", one.lookahead}});
    Clip clip;
    clip.frames = 8;
    clip.picture.rate = one.rate;
    expect_frames(run(rig, clip), clip);
    const Rig::Latency latency = rig.update_latency();
    EXPECT_EQ(take_warnings(), std::vector<std::string>{});
    if (GetParam() == Mode::kLive) {
      EXPECT_GE(latency.least, std::stoull(one.lookahead));
      EXPECT_LE(latency.least, 120 * GST_SECOND);
    }
  }
}

// One thread that brings frames before their audio: as many as at a usual rate are taken.
TEST_F(DemuxedRates, AtTheEndsOfTheRangeEditEveryFrame) {
  for (const char* rate : {"25/1", "1000000000/1"}) {
    SCOPED_TRACE(rate);
    fake::reset();
    Rig rig(Mode::kNotLive, {{"audio-lookahead", "3000000000"}});
    Clip clip;
    clip.frames = 64;
    clip.picture.rate = rate;
    Demuxer demuxer(rig, [&](Demuxer& self) {
      self.push_second(clip, 0);
      for (const FrameSpec& spec : clip.specs()) self.push_frame(clip, spec);
      for (int64_t second = 1; second < 7; ++second) self.push_second(clip, second);
      self.eos();
    });
    rig.start();
    demuxer.start(clip);
    EXPECT_TRUE(rig.wait_eos(std::chrono::seconds(4)));
    expect_frames(rig.take_buffers(), clip);
    EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
    rig.stop();
  }
}

}  // namespace
}  // namespace latentsync::test
