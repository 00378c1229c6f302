#include "tests/gst/clip.h"

#include <random>

namespace latentsync::test {
namespace {

class Flow : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Flow);

/// The last frames that came are the clip's.
void expect_end_of(Rig& rig, const Clip& clip) {
  auto outputs = rig.take_buffers();
  ASSERT_GE(outputs.size(), clip.frames);
  outputs.erase(outputs.begin(), outputs.end() - static_cast<std::ptrdiff_t>(clip.frames));
  expect_frames(outputs, clip);
}

void flush_both(Rig& rig) {
  rig.video.flush_start();
  rig.audio.flush_start();
  rig.video.flush_stop();
  rig.audio.flush_stop();
}

/// After a flush: a clip that begins with its segment, on both pads, without an end.
void feed_segment(Rig& rig, const Clip& clip) {
  const GstSegment segment = segment_at(clip.begin_time());
  rig.video.segment(segment);
  rig.audio.segment(segment);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
}

// Three hundred seeks at random times, some during a window: none hangs, nothing leaks, and what
// follows the last is whole and the same as ever.
TEST_P(Flow, SurvivesThreeHundredSeeks) {
  watch(std::chrono::seconds(90));
  fake::behave("step-delay=1ms,jitter=2ms,record=off");
  std::vector<uint64_t> expected;
  {
    Rig rig(GetParam());
    expected = hashes_of(run(rig, Clip{}));
  }
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_buffers(1));
  std::minstd_rand random(7);
  const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(15));
  int rounds = 0;
  for (; rounds < 300 && std::chrono::steady_clock::now() < deadline; ++rounds) {
    Clip clip;
    clip.first = random() % 1000;
    clip.frames = 20 + random() % 60;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 15000));
    ASSERT_TRUE(seek(rig, clip)) << "round " << rounds;
  }
  EXPECT_GE(rounds, 100);
  ASSERT_TRUE(seek(rig, Clip{}));
  ASSERT_TRUE(rig.wait_eos());
  const auto outputs = rig.take_buffers();
  expect_frames(outputs, Clip{});
  EXPECT_EQ(hashes_of(outputs), expected);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

// Flushes that the sources make on their own, at random times, do not hang either; what comes after
// the last comes out.
TEST_P(Flow, SurvivesFlushesThatNobodyAskedFor) {
  watch(std::chrono::seconds(60));
  fake::behave("step-delay=1ms,jitter=2ms,record=off");
  Rig rig(GetParam());
  rig.start();
  begin(rig, Clip{});
  ASSERT_TRUE(rig.video.wait_idle());
  ASSERT_TRUE(rig.audio.wait_idle());
  std::minstd_rand random(17);
  for (int round = 0; round < 60; ++round) {
    Clip clip;
    clip.first = random() % 1000;
    clip.frames = 20 + random() % 60;
    feed_segment(rig, clip);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 15000));
    flush_both(rig);
  }
  rig.take();
  feed_segment(rig, Clip{});
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_end_of(rig, Clip{});
}

// A flush of the video alone, or of the audio alone, as a source of its own may do it, neither
// hangs nor loses what comes after it.
TEST_P(Flow, SurvivesAFlushOfOnePad) {
  for (const bool video : {true, false}) {
    SCOPED_TRACE(video ? "video" : "audio");
    Rig rig(GetParam());
    const Clip clip;
    rig.start();
    begin(rig, clip);
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    Feeder& flushed = video ? rig.video : rig.audio;
    flushed.flush_start();
    flushed.flush_stop();
    flushed.segment(segment_at(0));
    if (video) feed_frames(rig.video, clip);
    if (!video) feed_samples(rig.audio, clip);
    rig.video.eos();
    rig.audio.eos();
    EXPECT_TRUE(rig.wait_eos());
    if (video) expect_end_of(rig, clip);
  }
}

// A flush while a window is rendered takes no longer than a denoising step.
TEST_P(Flow, FlushEndsAWindowWithinAStep) {
  fake::behave("step-delay=100ms,steps=50");
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(fake::wait_for_renders(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  const auto begin = std::chrono::steady_clock::now();
  Clip clip;
  clip.frames = 4;
  EXPECT_TRUE(seek(rig, clip));
  EXPECT_LE(std::chrono::steady_clock::now() - begin, patience(std::chrono::milliseconds(600)));
  // The seek does not wait for the step to end; the next window does.
  ASSERT_TRUE(fake::wait_for_renders(2));
  const auto windows = fake::windows();
  ASSERT_FALSE(windows.empty());
  EXPECT_EQ(windows.front().failure, ErrorCode::kCancelled);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

// NULL while a window is rendered takes no longer than a denoising step and is no error.
TEST_P(Flow, NullEndsAWindowWithinAStep) {
  fake::behave("step-delay=100ms,steps=50");
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(fake::wait_for_renders(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  const auto begin = std::chrono::steady_clock::now();
  rig.stop();
  EXPECT_LE(std::chrono::steady_clock::now() - begin, patience(std::chrono::milliseconds(600)));
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

// NULL while the model loads ends the loading, without an error.
TEST_P(Flow, NullEndsALoad) {
  fake::behave("load-delay=60s,load-steps=600");
  Rig rig(GetParam());
  const auto begin = std::chrono::steady_clock::now();
  std::jthread starter([&] { rig.change(GST_STATE_PAUSED); });
  ASSERT_TRUE(fake::wait_for_loads(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  // A state change that waits for the load is ended by what an application can do meanwhile.
  rig.stop();
  starter.join();
  rig.stop();
  EXPECT_LE(std::chrono::steady_clock::now() - begin, patience(std::chrono::seconds(5)));
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

// A hundred rounds of NULL and PLAYING, ended at random times: while the model loads, during a
// window, after the end.
TEST_P(Flow, SurvivesAHundredRestarts) {
  watch(std::chrono::seconds(90));
  fake::behave("load-delay=8ms,load-steps=8,step-delay=1ms,record=off");
  Rig rig(GetParam());
  std::minstd_rand random(11);
  const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(15));
  int rounds = 0;
  for (; rounds < 100 && std::chrono::steady_clock::now() < deadline; ++rounds) {
    rig.change(GST_STATE_PLAYING);
    feed(rig, Clip{});
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40000));
    rig.stop();
    ASSERT_TRUE(rig.video.wait_idle());
    ASSERT_TRUE(rig.audio.wait_idle());
    rig.take();
  }
  EXPECT_GE(rounds, 50);
  EXPECT_EQ(fake::live_models(), 0);
  EXPECT_EQ(fake::live_sessions(), 0);
  const auto outputs = run(rig, Clip{});
  expect_frames(outputs, Clip{});
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

// READY and PAUSED in between, back and forth, and a stream after it.
TEST_P(Flow, WalksThroughAllStates) {
  Rig rig(GetParam());
  for (const GstState state :
       {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_PAUSED,
        GST_STATE_PLAYING, GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY, GST_STATE_NULL}) {
    EXPECT_NE(rig.change(state), GST_STATE_CHANGE_FAILURE) << gst_element_state_get_name(state);
  }
  expect_frames(run(rig, Clip{}), Clip{});
}

// READY and PLAYING again without NULL in between begins a new stream.
TEST_P(Flow, BeginsAnewAfterReady) {
  Rig rig(GetParam());
  const auto first = hashes_of(run(rig, Clip{}));
  rig.change(GST_STATE_READY);
  rig.take();
  const auto second = run(rig, Clip{});
  expect_frames(second, Clip{});
  EXPECT_EQ(hashes_of(second), first);
}

// A sink that is gone, at its end or broken: the sources are told, nothing hangs.
TEST_P(Flow, TellsTheSourcesWhatTheSinkSays) {
  for (const GstFlowReturn flow :
       {GST_FLOW_EOS, GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_FLUSHING}) {
    SCOPED_TRACE(gst_flow_get_name(flow));
    Rig rig(GetParam());
    rig.sink_flow = flow;
    rig.start();
    Clip clip;
    clip.frames = 200;
    feed(rig, clip);
    EXPECT_TRUE(rig.wait_buffers(1));
    EXPECT_TRUE(rig.video.wait_idle());
    EXPECT_TRUE(rig.audio.wait_idle());
    EXPECT_EQ(rig.video.flow(), flow);
    EXPECT_EQ(rig.buffers(), 1u);
  }
}

// A slow sink slows the sources down instead of filling memory: of a thousand frames at most a few
// windows are taken in.
TEST_P(Flow, HoldsTheSourcesBack) {
  Rig rig(GetParam());
  rig.start();
  fake::hold_renders();
  Clip clip;
  clip.frames = 500;
  feed(rig, clip);
  ASSERT_TRUE(fake::wait_for_renders(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_GE(rig.video.waiting(), 400u);
  fake::release();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// A seek travels to both sources, and what follows begins where it went to.
TEST_P(Flow, SeekGoesToTheSources) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  feed(rig, clip);
  ASSERT_TRUE(rig.wait_buffers(16));
  clip.first = 25;
  EXPECT_TRUE(seek(rig, clip));
  EXPECT_EQ(rig.video.events(GST_EVENT_SEEK), 1);
  EXPECT_EQ(rig.audio.events(GST_EVENT_SEEK), 1);
  ASSERT_TRUE(rig.wait_eos());
  bool segment_came = false;
  auto outputs = rig.take();
  std::vector<Ref<GstBuffer>> frames;
  for (Output& output : outputs) {
    if (output.event && GST_EVENT_TYPE(output.event.get()) == GST_EVENT_SEGMENT) {
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(output.event.get(), &segment);
      segment_came = true;
      EXPECT_TRUE(frames.empty());
      EXPECT_EQ(gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_SECOND), GST_SECOND);
      EXPECT_EQ(gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_SECOND), 0u);
    }
    if (output.buffer) frames.push_back(std::move(output.buffer));
  }
  EXPECT_TRUE(segment_came);
  expect_frames(frames, clip);
}

// The model of several elements is loaded once and given back with the last of them.
TEST_P(Flow, ElementsShareAModel) {
  {
    Rig first(GetParam());
    Rig second(GetParam());
    Rig other(GetParam(), {{"model-path", "fake:steps=2"}});
    first.start();
    second.start();
    other.start();
    for (Rig* rig : {&first, &second, &other}) feed(*rig, Clip{});
    for (Rig* rig : {&first, &second, &other}) ASSERT_TRUE(rig->wait_eos());
    EXPECT_EQ(fake::live_models(), 2);
    EXPECT_EQ(fake::live_sessions(), 3);
    EXPECT_EQ(hashes_of(first.take_buffers()), hashes_of(second.take_buffers()));
    other.stop();
    EXPECT_EQ(fake::live_models(), 1);
    first.stop();
    EXPECT_EQ(fake::live_models(), 1);
    second.stop();
    EXPECT_EQ(fake::live_models(), 0);
  }
}

}  // namespace
}  // namespace latentsync::test
