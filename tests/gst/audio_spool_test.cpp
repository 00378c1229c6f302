#include "tests/gst/audio_outlet.h"
#include "tests/gst/clip.h"
#include "tests/gst/told.h"
#include "tests/support/temporary_folder.h"

#include <cstdlib>
#include <sys/resource.h>

/// Sound that waits for long in a graph that is not live waits in a file.
namespace latentsync::test {
namespace {

class AudioSpool : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    fake::behave("record=off,steps=1");
  }

  /// Seconds of sound, which all come before the first frame.
  static Clip long_clip(int64_t seconds) {
    Clip clip;
    clip.frames = 16;
    clip.chunk = 1600;
    clip.audio_end = 16000 * seconds;
    return clip;
  }

  static void feed_sound(Rig& rig, const Clip& clip) {
    begin(rig, clip);
    Clip part = clip;
    for (int64_t at = 0; at < clip.audio_end; at += 160'000) {
      part.audio_begin = at;
      part.audio_end = std::min(at + 160'000, clip.audio_end);
      feed_samples(rig.audio, part, [](GstBuffer* buffer) {
        GST_BUFFER_OFFSET(buffer) = GST_BUFFER_PTS(buffer) / 1000;
        if (GST_BUFFER_PTS(buffer) % GST_SECOND == 0) {
          GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_MARKER);
        }
      });
      rig.audio.push(
          gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, std::to_string(at).c_str(), nullptr)));
      ASSERT_TRUE(rig.audio.wait_idle());
    }
    rig.audio.eos();
    ASSERT_TRUE(rig.audio.wait_idle());
  }

  /// All buffers and events of feed_sound() come out as they came, in order.
  static void expect_sound(AudioOutlet& outlet, const Clip& clip, bool all_tags = true) {
    outlet.let_go();
    ASSERT_TRUE(outlet.wait_eos());
    int64_t at = 0;
    int tags = 0;
    for (const Output& output : outlet.take()) {
      if (output.event) {
        if (GST_EVENT_TYPE(output.event.get()) != GST_EVENT_TAG) continue;
        ASSERT_EQ(at % 160'000, 0) << "a tag is between other buffers than it was";
        ++tags;
        continue;
      }
      const int64_t count = std::min(clip.chunk, clip.audio_end - at);
      const auto expected = make_audio(clip.audio_format, at, count, audio_time(at));
      GstBuffer* buffer = output.buffer.get();
      ASSERT_EQ(bytes_of(buffer), bytes_of(expected.get())) << at;
      ASSERT_EQ(GST_BUFFER_PTS(buffer), audio_time(at));
      ASSERT_EQ(GST_BUFFER_DURATION(buffer), GST_BUFFER_DURATION(expected.get()));
      ASSERT_EQ(GST_BUFFER_OFFSET(buffer), audio_time(at) / 1000);
      ASSERT_EQ(bool(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_MARKER)),
                audio_time(at) % GST_SECOND == 0);
      at += count;
    }
    EXPECT_EQ(at, clip.audio_end);
    if (all_tags) EXPECT_EQ(tags, clip.audio_end / 160'000);
  }
};

/// A variable of the environment, while this lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    g_setenv(name, value.c_str(), TRUE);
  }
  ~Variable() {
    before_.empty() ? g_unsetenv(name_) : (void)g_setenv(name_, before_.c_str(), TRUE);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

// What waited in the file leaves as it came, between the same events; nothing is warned of.
TEST_F(AudioSpool, GivesBackWhatCame) {
  const Clip clip = long_clip(150);
  Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
  AudioOutlet outlet(rig);
  outlet.hold();
  rig.start();
  feed_sound(rig, clip);
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_sound(outlet, clip);
  EXPECT_EQ(sentences_of(rig), std::vector<std::string>{});
}

// Of twenty minutes of sound that waits no more is in memory than of two.
TEST_F(AudioSpool, TakesNoMemory) {
  for (const int64_t seconds : {120, 1200}) {
    Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
    AudioOutlet outlet(rig);
    outlet.hold();
    rig.start();
    feed_sound(rig, long_clip(seconds));
    // 4 MB in buffers of 6400 bytes.
    EXPECT_LT(live_source_buffers(), 640) << seconds << " s";
    outlet.let_go();
  }
}

// A flush forgets it, and what comes then is given back.
TEST_F(AudioSpool, IsForgottenInAFlush) {
  const Clip clip = long_clip(150);
  Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
  AudioOutlet outlet(rig);
  outlet.hold();
  rig.start();
  feed_sound(rig, clip);
  rig.audio.flush_start();
  rig.audio.flush_stop();
  outlet.take();
  outlet.hold();
  feed_sound(rig, clip);
  feed_frames(rig.video, clip);
  rig.video.eos();
  ASSERT_TRUE(rig.wait_eos());
  // Tags are sticky: those of before that have not left yet are kept.
  expect_sound(outlet, clip, false);
}

// Where there is no place for the file, or no space, one warning says so, and nothing is lost.
TEST_F(AudioSpool, WithoutAPlaceIsInMemory) {
  const TemporaryFolder folder;
  const Clip clip = long_clip(150);
  for (const bool full : {false, true}) {
    SCOPED_TRACE(full ? "full" : "no folder");
    const Variable place("TMPDIR", full ? folder.path().string() : "/nowhere");
    signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit small = before;
    small.rlim_cur = 1'000'000;
    if (full) setrlimit(RLIMIT_FSIZE, &small);
    Rig rig(Mode::kNotLive, {{"audio-context", "whole"}});
    AudioOutlet outlet(rig);
    outlet.hold();
    rig.start();
    feed_sound(rig, clip);
    setrlimit(RLIMIT_FSIZE, &before);
    feed_frames(rig.video, clip);
    rig.video.eos();
    ASSERT_TRUE(rig.wait_eos());
    expect_sound(outlet, clip);
    const auto warnings = sentences_of(rig, GST_MESSAGE_WARNING);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings.front().find("TMPDIR"), std::string::npos) << warnings.front();
  }
}

}  // namespace
}  // namespace latentsync::test
