#include "tests/gst/clip.h"

#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace latentsync::test {
namespace {

class Memory : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Memory);

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
  begin(rig, Clip{});
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
  begin(rig, Clip{});
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

/// No more of the address space than this much beyond what is in use, for as long as it lives.
class AddressLimit {
 public:
  explicit AddressLimit(rlim_t more) {
    std::ifstream file("/proc/self/statm");
    rlim_t pages = 0;
    file >> pages;
    getrlimit(RLIMIT_AS, &before_);
    rlimit now = before_;
    now.rlim_cur = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + more;
    setrlimit(RLIMIT_AS, &now);
  }
  ~AddressLimit() { setrlimit(RLIMIT_AS, &before_); }
  AddressLimit(const AddressLimit&) = delete;
  AddressLimit& operator=(const AddressLimit&) = delete;

 private:
  rlimit before_ = {};
};

// Where memory runs out the element posts one error and lives; it works again after NULL.
TEST_P(Memory, ThatRunsOutIsAnError) {
  Rig rig(GetParam(), {{"audio-context", "whole"}});
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  {
    const AddressLimit limit(100'000'000);
    // Fifty minutes of silence before it are 190 MB.
    rig.audio.push(make_audio(clip.audio_format, 0, 320, 3000 * GST_SECOND));
    ASSERT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  }
  GError* error = nullptr;
  gst_message_parse_error(rig.messages(GST_MESSAGE_ERROR).front().get(), &error, nullptr);
  EXPECT_TRUE(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT));
  g_error_free(error);
  rig.stop();
  rig.take();
  expect_frames(run(rig, clip), clip);
}

}  // namespace
}  // namespace latentsync::test
