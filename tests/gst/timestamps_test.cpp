#include "tests/gst/clip.h"

/// Timestamps that no recording has: of damaged files, and of files that were cut badly.
namespace latentsync::test {
namespace {

constexpr GstClockTime kTwoHours = 7200 * GST_SECOND;

class Timestamps : public ElementTest {};

/// The sentence of the rig's one error; empty, and a failure of the test, where there is none.
std::string error_of(Rig& rig) {
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  const auto errors = rig.messages(GST_MESSAGE_ERROR);
  EXPECT_EQ(errors.size(), 1u);
  if (errors.empty()) return {};
  GError* error = nullptr;
  gst_message_parse_error(errors.front().get(), &error, nullptr);
  const std::string sentence = error->message;
  g_error_free(error);
  return sentence;
}

// With audio-context=whole, audio that jumps ahead by hours, from its beginning on or later, in
// samples or as a gap, is one error that names the jump. Nothing is filled up to there.
TEST_F(Timestamps, OfWholeAudioThatJumpAreAnError) {
  struct Jump {
    int64_t after;  ///< samples
    bool gap;
  };
  for (const Jump jump : {Jump{0, false}, {16000, false}, {16000, true}}) {
    SCOPED_TRACE(std::to_string(jump.after) + (jump.gap ? ", gap" : ""));
    Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
    rig.start();
    Clip clip;
    clip.audio_begin = 0;
    clip.audio_end = jump.after;
    begin(rig, clip);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip);
    if (jump.gap) {
      rig.audio.gap(audio_time(jump.after), kTwoHours);
    } else {
      rig.audio.push(make_audio(clip.audio_format, jump.after, 320, kTwoHours));
    }
    rig.video.eos();
    rig.audio.eos();
    const std::string told = error_of(rig);
    EXPECT_NE(told.find("timestamps jump by 7"), std::string::npos) << told;
    EXPECT_TRUE(rig.audio.wait_idle());
    EXPECT_EQ(rig.buffers(), 0u);
  }
}

// A window does not span a jump of the video's timestamps, forwards or back, with a variable rate
// or one that is as low as caps can say: what it hears stays short. Every frame comes out.
TEST_F(Timestamps, OfVideoThatJumpsCutTheWindow) {
  for (const char* rate : {"0/1", "1/2147483647"}) {
    for (const bool back : {false, true}) {
      SCOPED_TRACE(std::string(rate) + (back ? ", back" : ", forwards"));
      fake::reset();
      Rig rig(Mode::kNotLive);
      Clip clip;
      clip.frames = 20;
      clip.picture.rate = rate;
      std::vector<FrameSpec> specs = clip.specs();
      for (FrameSpec& spec : specs) {
        if ((spec.number >= 6) != back) spec.pts += kTwoHours;
      }
      rig.start();
      begin(rig, clip);
      for (const FrameSpec& spec : specs) rig.video.push(make_frame(clip.picture, spec));
      feed_samples(rig.audio, clip);
      rig.video.eos();
      rig.audio.eos();
      ASSERT_TRUE(rig.wait_eos());
      expect_frames(rig.take_buffers(), clip.picture, specs, [](size_t) { return Edit::kEdited; });
      EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{6, 14}));
      for (const auto& window : fake::windows()) EXPECT_LT(window.audio.size(), 16000u * 60);
    }
  }
}

}  // namespace
}  // namespace latentsync::test
