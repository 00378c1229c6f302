#include "tests/gst/clip.h"

#include <fstream>
#include <malloc.h>
#include <unistd.h>

namespace latentsync::test {
namespace {

class Memory : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Memory);

int64_t resident_bytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

/// Feeds seconds [begin, end) of video and audio, never far ahead of the element.
void feed_seconds(Rig& rig, uint64_t begin, uint64_t end) {
  for (uint64_t second = begin; second < end; ++second) {
    Clip clip;
    clip.first = second * 25;
    clip.frames = 25;
    clip.chunk = 1600;
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip);
    rig.drop_messages();
    while (rig.video.waiting() > 100 || rig.audio.waiting() > 40) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
}

// After ten minutes of stream there is no more memory in use than after one, within 10 MB.
TEST_P(Memory, DoesNotGrowWithTheStream) {
  watch(std::chrono::seconds(120));
  fake::behave("record=off,steps=1");
  Rig rig(GetParam());
  rig.keep_outputs(false);
  rig.start();
  rig.video.begin(Clip{}.picture.caps());
  rig.audio.begin(audio_caps(AudioFormat::kF32));
  feed_seconds(rig, 0, 60);
  ASSERT_TRUE(rig.wait_buffers(58 * 25));
  const int64_t after_one = resident_bytes();
  feed_seconds(rig, 60, 600);
  ASSERT_TRUE(rig.wait_buffers(598 * 25));
  const int64_t after_ten = resident_bytes();
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.buffers(), 15000u);
  RecordProperty("bytes_after_one_minute", std::to_string(after_one));
  RecordProperty("bytes_after_ten_minutes", std::to_string(after_ten));
  EXPECT_LE(after_ten, after_one + 10'000'000);
}

// Audio that nobody renders with (the video has ended or stalls) is not kept for ever: ten minutes
// of it ahead of the video take less than 10 MB more than one minute does.
TEST_P(Memory, DoesNotGrowWithAudioBehindTheVideo) {
  watch(std::chrono::seconds(60));
  fake::behave("record=off,steps=1");
  Rig rig(GetParam());
  rig.keep_outputs(false);
  rig.start();
  rig.video.begin(Clip{}.picture.caps());
  rig.audio.begin(audio_caps(AudioFormat::kF32));
  // The video begins at ten minutes; what comes before it is of no use.
  Clip late;
  late.first = 600 * 25;
  late.frames = 16;
  feed_frames(rig.video, late);
  const auto feed_audio = [&](uint64_t begin, uint64_t end) {
    for (uint64_t second = begin; second < end; ++second) {
      Clip clip;
      clip.first = second * 25;
      clip.frames = 25;
      clip.chunk = 1600;
      feed_samples(rig.audio, clip);
      while (rig.audio.waiting() > 40) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  };
  feed_audio(0, 60);
  const int64_t after_one = resident_bytes();
  feed_audio(60, 602);
  EXPECT_LE(resident_bytes(), after_one + 10'000'000);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.buffers(), 16u);
}

}  // namespace
}  // namespace latentsync::test
