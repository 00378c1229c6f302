#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <algorithm>

/// The properties silence and silence-threshold.
namespace latentsync::test {
namespace {

class SilenceTest : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(SilenceTest);

/// Frames of a clip whose audio is missing between two of them.
struct Speech {
  Clip clip;
  uint64_t begin = 16;  ///< the first frame without audio
  uint64_t end = 26;    ///< the first one with it again

  /// Whether nothing is to be heard within 60 ms of the frame's time.
  bool quiet(size_t frame) const {
    const auto time = static_cast<int64_t>(frame) * 40;
    return time - 60 >= static_cast<int64_t>(begin) * 40 &&
           time + 60 <= static_cast<int64_t>(end) * 40;
  }
};

/// What becomes of it; the audio is given whole or as it comes.
std::vector<Ref<GstBuffer>> run_speech(Mode mode, const Speech& speech, Properties properties) {
  Rig rig(mode, properties);
  rig.start();
  begin(rig, speech.clip);
  Clip before = speech.clip;
  before.frames = speech.begin;
  Clip after = speech.clip;
  after.first = speech.end;
  after.frames = speech.clip.frames - speech.end;
  feed_samples(rig.audio, before);
  feed_samples(rig.audio, after);
  rig.audio.eos();
  EXPECT_TRUE(rig.audio.wait_idle());
  feed_frames(rig.video, speech.clip);
  rig.video.eos();
  EXPECT_TRUE(rig.wait_eos());
  return rig.take_buffers();
}

std::vector<bool> at_rest(const std::vector<fake::WindowRecord>& windows) {
  std::vector<bool> all;
  for (const auto& window : windows) {
    EXPECT_EQ(window.at_rest.size(), window.times.size());
    all.insert(all.end(), window.at_rest.begin(), window.at_rest.end());
  }
  return all;
}

// Quiet frames have mouths at rest, with sliding audio and with the whole, and no others.
TEST_P(SilenceTest, RestIsForQuietFrames) {
  for (const char* context : {"sliding", "whole"}) {
    SCOPED_TRACE(context);
    fake::reset();
    const Speech speech;
    const auto frames =
        run_speech(GetParam(), speech, {{"silence", "rest"}, {"audio-context", context}});
    expect_frames(frames, speech.clip);
    const auto rest = at_rest(fake::windows());
    ASSERT_EQ(rest.size(), speech.clip.frames);
    for (size_t frame = 0; frame < rest.size(); ++frame) {
      EXPECT_EQ(rest[frame], speech.quiet(frame)) << frame;
    }
  }
}

// A pause of less than 120 ms is none, one below the threshold is one, and with render, the
// default, there is none at all.
TEST_P(SilenceTest, ThresholdAndPauseDecide) {
  Speech speech;
  const auto count = [&](const Properties& properties) {
    fake::reset();
    run_speech(GetParam(), speech, properties);
    const auto rest = properties.empty() ? std::vector<bool>{} : at_rest(fake::windows());
    for (const auto& window : fake::windows()) EXPECT_EQ(window.at_rest.empty(), rest.empty());
    return std::count(rest.begin(), rest.end(), true);
  };
  EXPECT_EQ(count({}), 0);
  EXPECT_EQ(count({{"silence", "rest"}}), 7);
  EXPECT_EQ(count({{"silence", "rest"}, {"silence-threshold", "0"}}), 40);
  speech.end = speech.begin + 2;
  EXPECT_EQ(count({{"silence", "rest"}}), 0);
}

// pass-through: quiet frames leave as they came, and the edit fades over the first and last three
// of them; what the engine did not change stays, bit for bit, in every format.
TEST_P(SilenceTest, PassThroughFades) {
  for (const char* format : kFormats) {
    SCOPED_TRACE(format);
    Speech speech;
    speech.begin = 18;
    speech.end = 30;
    speech.clip.picture.format = format;
    fake::reset();
    const auto edited = run_speech(GetParam(), speech, {});
    const auto faded = run_speech(GetParam(), speech, {{"silence", "pass-through"}});
    expect_frames(faded, speech.clip.picture, speech.clip.specs(),
                  [&](size_t frame) { return frame == 24 ? Edit::kUntouched : Edit::kEither; });
    const auto specs = speech.clip.specs();
    const bool bytes = std::string(format).find("10") == std::string::npos;
    for (const size_t frame : {15, 17, 19, 20, 21, 22, 24, 26, 27, 28, 30}) {
      const int parts[] = {256, 192, 128, 64, 0};
      const int number = static_cast<int>(frame);
      const auto near = static_cast<size_t>(std::clamp(std::min(number - 19, 29 - number), 0, 4));
      const auto from = bytes_of(make_frame(speech.clip.picture, specs[frame]).get());
      const auto to = bytes_of(edited[frame].get());
      auto expected = from;
      for (size_t i = 0; i < from.size(); ++i) {
        expected[i] =
            static_cast<uint8_t>((from[i] * (256 - parts[near]) + to[i] * parts[near] + 128) / 256);
      }
      if (near == 0) expected = to;
      if (bytes && std::string(format) != "v210") {
        EXPECT_EQ(bytes_of(faded[frame].get()), expected) << frame;
      }
    }
    if (HasFailure()) return;
  }
}

// A window in which nobody speaks is not rendered.
TEST_P(SilenceTest, PassThroughSavesTheWork) {
  Speech speech;
  speech.clip.frames = 64;
  speech.begin = 10;
  speech.end = 60;
  const auto frames = run_speech(GetParam(), speech, {{"silence", "pass-through"}});
  expect_frames(frames, speech.clip.picture, speech.clip.specs(), [&](size_t frame) {
    const bool fades = frame < 16 || frame > 54;
    return fades ? Edit::kEither : Edit::kUntouched;
  });
  const auto windows = fake::windows();
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].times.front(), 0);
  EXPECT_EQ(windows[1].times.front(), 48 * 40'000'000);
  EXPECT_TRUE(windows[1].discontinuity);
}

}  // namespace
}  // namespace latentsync::test
