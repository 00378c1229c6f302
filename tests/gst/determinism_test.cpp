#include "tests/gst/clip.h"

#include <random>

namespace latentsync::test {
namespace {

class Determinism : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Determinism);

// However the audio is cut, however late either stream, the engine or the sink is: the same bytes,
// with sliding and with whole audio.
TEST_P(Determinism, SameBytesWhateverTheBuffering) {
  watch(std::chrono::seconds(60));
  for (const char* context : {"sliding", "whole"}) {
    SCOPED_TRACE(context);
    std::vector<uint64_t> expected;
    std::minstd_rand random(3);
    for (int round = 0; round < 12; ++round) {
      SCOPED_TRACE(round);
      fake::reset();
      if (round > 0) fake::behave("jitter=5ms");
      Rig rig(GetParam(), {{"audio-context", context}});
      Clip clip;
      clip.frames = 53;
      if (round > 0) {
        clip.chunk = 1 + static_cast<int64_t>(random() % 5000);
        rig.video.most_delay = std::chrono::microseconds(random() % 3000);
        rig.audio.most_delay = std::chrono::microseconds(random() % 3000);
        rig.sink_delay(std::chrono::microseconds(random() % 2000));
      }
      const auto bytes = hashes_of(run(rig, clip));
      if (round == 0) expected = bytes;
      ASSERT_EQ(bytes.size(), clip.frames);
      EXPECT_EQ(bytes, expected);
    }
  }
}

// After a flushing seek back to the start, at any time, the same bytes come.
TEST_P(Determinism, SameBytesAfterASeekToTheStart) {
  std::vector<uint64_t> expected;
  std::minstd_rand random(5);
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    fake::reset();
    fake::behave("jitter=3ms");
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 53;
    rig.start();
    feed(rig, clip);
    if (round > 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
      ASSERT_TRUE(seek(rig, clip));
    }
    ASSERT_TRUE(rig.wait_eos());
    const auto bytes = hashes_of(rig.take_buffers());
    if (round == 0) expected = bytes;
    EXPECT_EQ(bytes, expected);
  }
}

// A stream that is entered in the middle, with whole audio and 32 frames of lead-in, gives the
// bytes of the stream from its beginning.
TEST_P(Determinism, SameBytesAfterALeadIn) {
  std::vector<uint64_t> whole;
  Clip clip;
  clip.frames = 120;
  {
    Rig rig(GetParam(), {{"audio-context", "whole"}});
    whole = hashes_of(run(rig, clip));
  }
  ASSERT_EQ(whole.size(), 120u);
  for (const uint64_t first : {16u, 32u, 45u}) {
    SCOPED_TRACE(first);
    Rig rig(GetParam(), {{"audio-context", "whole"}});
    Clip part = clip;
    part.first = first;
    part.frames = clip.frames - first;
    rig.start();
    begin(rig, clip);
    feed_frames(rig.video, part);
    feed_samples(rig.audio, clip);  // all of it
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    const auto bytes = hashes_of(rig.take_buffers());
    ASSERT_EQ(bytes.size(), part.frames);
    // The first whole window after the lead-in.
    const uint64_t begin = (first + 32 + 15) / 16 * 16;
    for (uint64_t at = begin; at < clip.frames; ++at) {
      ASSERT_EQ(bytes[at - first], whole[at]) << "frame " << at;
    }
  }
}

// The seed counts: another one gives other bytes, so the tests above would see a difference.
TEST_P(Determinism, OtherBytesForAnotherSeed) {
  std::vector<uint64_t> bytes[2];
  for (const int seed : {0, 1}) {
    Rig rig(GetParam(), {{"seed", std::to_string(seed)}});
    bytes[seed] = hashes_of(run(rig, Clip{}));
  }
  EXPECT_NE(bytes[0], bytes[1]);
}

}  // namespace
}  // namespace latentsync::test
