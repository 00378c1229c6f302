#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <algorithm>
#include <set>
#include <sys/resource.h>

/// Live graphs: what leaves when, and what is told of frames that are late.
namespace latentsync::test {
namespace {

class Deadlines : public ElementTest {};

/// Windows of four frames, so that the latency is less than half a second.
const Properties kShort = {
    {"window-frames", "4"}, {"audio-lookahead", "120000000"}, {"render-latency", "160000000"}};

void sleep_for(GstClockTime time) { std::this_thread::sleep_for(std::chrono::nanoseconds(time)); }

double cpu_seconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

Clip sound_of(uint64_t frames) {
  Clip clip;
  clip.frames = frames;
  return clip;
}

std::vector<GstClockTime> times_of(const std::vector<Ref<GstBuffer>>& frames) {
  std::vector<GstClockTime> times;
  for (const auto& frame : frames) times.push_back(GST_BUFFER_PTS(frame.get()));
  return times;
}

// A graph that turns live while a window is rendered: its frames keep their order when they are
// due, and nothing spins until the window is made.
TEST_F(Deadlines, InAGraphThatTurnsLiveKeepTheOrder) {
  constexpr uint64_t frames = 12;
  for (const char* window : {"4", "12"}) {
    SCOPED_TRACE(window);
    fake::reset();
    fake::hold_renders();
    Rig rig(Mode::kNotLive, kShort);
    rig.set("window-frames", window);
    rig.use_system_clock();
    rig.start();
    Clip clip;
    clip.frames = frames;
    begin(rig, clip);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, sound_of(50));
    ASSERT_TRUE(fake::wait_for_renders(1));
    EXPECT_TRUE(rig.audio.wait_idle());
    rig.video.set_mode(Mode::kLive);
    rig.audio.set_mode(Mode::kLive);
    const Rig::Latency latency = rig.update_latency();
    EXPECT_TRUE(latency.live);
    Clip more;
    more.first = 50;
    more.frames = 1;
    feed_samples(rig.audio, more);
    sleep_for(latency.least + 480 * GST_MSECOND);
    const double before = cpu_seconds();
    sleep_for(GST_SECOND / 2);
    EXPECT_LE(cpu_seconds() - before, 0.15);
    fake::release();
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    const auto times = times_of(rig.take_buffers());
    EXPECT_EQ(times.size(), frames);
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end())) << testing::PrintToString(times);
  }
}

/// Fails the test unless the QoS messages of the rig are one for each of FRAMES, with its times,
/// by how much it is late, and counts.
void expect_qos(Rig& rig, const std::vector<FrameSpec>& frames) {
  const auto messages = rig.messages(GST_MESSAGE_QOS);
  ASSERT_EQ(messages.size(), frames.size());
  std::set<GstClockTime> told;
  for (const auto& message : messages) {
    gboolean live = FALSE;
    guint64 running = 0;
    guint64 stream = 0;
    guint64 pts = 0;
    guint64 duration = 0;
    gst_message_parse_qos(message.get(), &live, &running, &stream, &pts, &duration);
    gint64 jitter = 0;
    gdouble proportion = 0;
    gint quality = -1;
    gst_message_parse_qos_values(message.get(), &jitter, &proportion, &quality);
    GstFormat format = GST_FORMAT_UNDEFINED;
    guint64 processed = 0;
    gst_message_parse_qos_stats(message.get(), &format, &processed, nullptr);
    EXPECT_TRUE(live);
    EXPECT_EQ(running, pts);
    EXPECT_EQ(stream, pts);
    EXPECT_EQ(duration, 40 * GST_MSECOND);
    EXPECT_GT(jitter, 0);
    EXPECT_GT(proportion, 0.0);
    EXPECT_GE(quality, 0);
    EXPECT_LE(quality, 1000000);
    EXPECT_EQ(format, GST_FORMAT_BUFFERS);
    told.insert(pts);
  }
  for (const FrameSpec& frame : frames) EXPECT_TRUE(told.contains(frame.pts)) << frame.pts;
}

// A window that is late at once: its frames pass, and each is told with values.
TEST_F(Deadlines, FramesThatAreLateAreToldWithValues) {
  fake::hold_renders();
  Rig rig(Mode::kLive);
  rig.start();
  Clip clip;
  clip.frames = 16;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, sound_of(60));
  ASSERT_TRUE(fake::wait_for_renders(1));
  ASSERT_TRUE(rig.wait_buffers_at(rig.update_latency().least + 10 * GST_SECOND, 16));
  expect_qos(rig, clip.specs());
  expect_frames(rig.take_buffers(), clip, Edit::kUntouched);
  fake::release();
}

// A window that gets late when its pixels are written already is told as well.
TEST_F(Deadlines, FramesThatAreLateInTheLastStageAreTold) {
  fake::behave("write-delay=20ms");
  Rig rig(Mode::kLive);
  rig.start();
  Clip clip;
  clip.frames = 16;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, sound_of(60));
  ASSERT_TRUE(fake::wait_for_renders(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  ASSERT_TRUE(rig.wait_buffers_at(rig.update_latency().least + 10 * GST_SECOND, 16));
  expect_qos(rig, clip.specs());
  expect_frames(rig.take_buffers(), clip, Edit::kEither);
}

/// How strongly each of the clip's frames is edited, to the frame in the middle of the last window.
std::vector<double> strengths(const std::vector<Ref<GstBuffer>>& frames, const Clip& clip) {
  std::vector<double> all;
  const auto specs = clip.specs();
  for (size_t i = 0; i < frames.size(); ++i) {
    all.push_back(
        difference(bytes_of(frames[i].get()), bytes_of(make_frame(clip.picture, specs[i]).get())));
  }
  const double whole = all[all.size() - 8];
  for (double& strength : all) strength /= whole;
  return all;
}

// A window that turns out to be late while it is being made: the frames that are due pass, be it
// some or all of them, and the edit fades in after them, in the same window or in the next one.
TEST_F(Deadlines, TheEditFadesInAfterFramesThatWereDue) {
  for (const size_t due : {size_t{3}, size_t{15}, size_t{16}}) {
    SCOPED_TRACE(due);
    fake::reset();
    fake::hold_renders();
    Rig rig(Mode::kLive);
    rig.start();
    Clip clip;
    clip.frames = 32;
    begin(rig, clip);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, sound_of(80));
    ASSERT_TRUE(fake::wait_for_renders(1));
    const GstClockTime first = rig.update_latency().least;
    ASSERT_TRUE(rig.wait_buffers_at(first + (due - 1) * 40 * GST_MSECOND, due));
    fake::release();
    ASSERT_TRUE(rig.wait_buffers(clip.frames));
    const auto found = strengths(rig.take_buffers(), clip);
    for (size_t i = 0; i < clip.frames; ++i) {
      const double since = static_cast<double>(i) - static_cast<double>(due) + 1;
      EXPECT_NEAR(found[i], std::clamp(since / 4, 0.0, 1.0), 0.15) << i;
    }
  }
}

// A source that is found to be live only when it brings something, behind a queue that was not
// linked at first: when the audio stalls, its frames leave in time.
TEST_F(Deadlines, OfASourceThatIsFoundLiveLateHold) {
  Rig rig;
  rig.start();
  Clip clip;
  clip.frames = 48;
  begin(rig, clip);
  EXPECT_TRUE(rig.video.wait_idle());
  EXPECT_TRUE(rig.audio.wait_idle());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  rig.video.set_mode(Mode::kLive);
  feed_frames(rig.video, clip);
  for (GstClockTime time = 0; time < 10 * GST_SECOND; time += 100 * GST_MSECOND) {
    rig.set_time(time);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(rig.wait_buffers_at(10 * GST_SECOND, 48, std::chrono::seconds(1))) << rig.buffers();
  EXPECT_FALSE(rig.messages(GST_MESSAGE_LATENCY).empty());
}

/// A live rig with a window that is being rendered, paused for longer than its latency.
void pause_in_a_window(Rig& rig, const Clip& clip, uint64_t frames_of_sound) {
  fake::hold_renders();
  rig.use_system_clock();
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, sound_of(frames_of_sound));
  ASSERT_TRUE(fake::wait_for_renders(1));
  const GstClockTime latency = rig.update_latency().least;
  rig.change(GST_STATE_PAUSED);
  sleep_for(latency + 700 * GST_MSECOND);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_QOS).empty());
  EXPECT_EQ(rig.buffers(), 0u);
}

// A pause takes no time: the window that was being rendered is not late by it.
TEST_F(Deadlines, StandStillInPaused) {
  Rig rig(Mode::kLive, kShort);
  Clip clip;
  clip.frames = 4;
  ASSERT_NO_FATAL_FAILURE(pause_in_a_window(rig, clip, 20));
  fake::release();
  rig.change(GST_STATE_PLAYING);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_QOS).empty());
}

// The same where both sources are blocked because all is full.
TEST_F(Deadlines, StandStillInPausedWhereAllIsFull) {
  Rig rig(Mode::kLive, kShort);
  Clip clip;
  clip.frames = 100;
  ASSERT_NO_FATAL_FAILURE(pause_in_a_window(rig, clip, 50 * 25));
  fake::release();
  rig.change(GST_STATE_PLAYING);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.buffers(), clip.frames);
}

}  // namespace
}  // namespace latentsync::test
