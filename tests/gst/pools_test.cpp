#include "tests/gst/clip.h"

#include <gst/video/gstvideopool.h>
#include <thread>

/// The video source's buffers: how many are asked for, which are copied, when they go back.
namespace latentsync::test {
namespace {

class Pools : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Pools);

constexpr guint kSize = 32 * 24 * 3 / 2;

/// A pool of at most so many buffers (0: any number) for the clip's pictures.
Ref<GstBufferPool> new_pool(const Clip& clip, guint most) {
  Ref<GstBufferPool> pool(gst_video_buffer_pool_new());
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, caps_of(clip.picture.caps()).get(), kSize, 0, most);
  gst_buffer_pool_set_config(pool.get(), config);
  return pool;
}

/// False where the pool gives none, because it flushes.
bool push_of(GstBufferPool* pool, Feeder& video, const FrameSpec& spec) {
  GstBuffer* frame = nullptr;
  if (gst_buffer_pool_acquire_buffer(pool, &frame, nullptr) != GST_FLOW_OK) return false;
  GST_BUFFER_PTS(frame) = spec.pts;
  GST_BUFFER_DURATION(frame) = spec.duration;
  gst_buffer_memset(frame, 0, static_cast<guint8>(spec.number), kSize);
  video.push(Ref<GstBuffer>(frame));
  return true;
}

/// The least and the most that the ALLOCATION query asks for.
std::pair<guint, guint> asked_of(Rig& rig, const Clip& clip) {
  const Ref<GstCaps> caps = caps_of(clip.picture.caps());
  const Ref<GstQuery> question(gst_query_new_allocation(caps.get(), TRUE));
  EXPECT_TRUE(gst_pad_peer_query(rig.video.pad(), question.get()));
  guint least = 0;
  guint most = 0;
  gst_query_parse_nth_allocation_pool(question.get(), 0, nullptr, nullptr, &least, &most);
  return {least, most};
}

// A pool of as many buffers as were asked for is enough: its buffers leave, none is copied.
TEST_P(Pools, OfTheSizeThatIsAskedForAreNotCopied) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 32;
  begin(rig, clip);
  ASSERT_TRUE(rig.video.wait_idle());
  const auto [least, most] = asked_of(rig, clip);
  const Ref<GstBufferPool> pool = new_pool(clip, least);
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  for (const FrameSpec& spec : clip.specs()) ASSERT_TRUE(push_of(pool.get(), rig.video, spec));
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  size_t own = 0;
  for (const auto& frame : rig.take_buffers()) own += frame->pool == pool.get();
  EXPECT_EQ(own, clip.frames) << "of a pool of " << least;
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

// A small pool never starves its source, whatever the element knew of one that lay at its address
// before.
TEST_P(Pools, OfTheSameAddressAreToldApart) {
  Rig rig(GetParam());
  rig.keep_outputs(false);
  rig.start();
  Clip clip;
  clip.frames = 64;
  begin(rig, clip);
  Clip sound;
  sound.frames = 400;
  feed_samples(rig.audio, sound);
  ASSERT_TRUE(rig.audio.wait_idle());
  const auto specs = clip.specs();
  Ref<GstBufferPool> first = new_pool(clip, 0);
  gst_buffer_pool_set_active(first.get(), TRUE);
  const void* address = first.get();
  for (size_t at = 0; at < 32; ++at) push_of(first.get(), rig.video, specs[at]);
  ASSERT_TRUE(rig.wait_buffers(32));
  gst_buffer_pool_set_active(first.get(), FALSE);
  first.reset();
  // Where the element holds the first one, none will lie there, and any will do.
  Ref<GstBufferPool> second;
  std::vector<Ref<GstBufferPool>> others;
  for (int round = 0; round < 1000; ++round) {
    second = new_pool(clip, 4);
    if (second.get() == address) break;
    others.push_back(std::move(second));
  }
  if (!second) second = new_pool(clip, 4);
  ASSERT_TRUE(gst_buffer_pool_set_active(second.get(), TRUE));
  std::atomic<size_t> pushed = 32;
  std::jthread source([&] {
    while (pushed < 64 && push_of(second.get(), rig.video, specs[pushed])) ++pushed;
  });
  const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(2));
  while (pushed < 64 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(pushed, 64u);
  gst_buffer_pool_set_flushing(second.get(), TRUE);
  source.join();
  rig.stop();
  gst_buffer_pool_set_active(second.get(), FALSE);
}

// A DRAIN query is answered when all that was brought has left, as for a decoder that takes its
// buffers back.
TEST_P(Pools, AreDrainedByTheQuery) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 24;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  Clip sound;
  sound.frames = 60;
  feed_samples(rig.audio, sound);
  ASSERT_TRUE(rig.video.wait_idle());
  ASSERT_TRUE(rig.audio.wait_idle());
  const Ref<GstQuery> drain(gst_query_new_drain());
  EXPECT_TRUE(gst_pad_peer_query(rig.video.pad(), drain.get()));
  EXPECT_EQ(rig.buffers(), clip.frames);
  // It goes on after it.
  Clip later;
  later.first = 24;
  later.frames = 36;
  feed_frames(rig.video, later);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  clip.frames = 60;
  expect_frames(rig.take_buffers(), clip);
}

// Where its audio is not there the query does not wait for ever: the frames leave as they are.
TEST_P(Pools, AreDrainedWithoutAudioToo) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.frames = 8;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  ASSERT_TRUE(rig.video.wait_idle());
  const Ref<GstQuery> drain(gst_query_new_drain());
  EXPECT_TRUE(gst_pad_peer_query(rig.video.pad(), drain.get()));
  EXPECT_EQ(rig.buffers(), clip.frames);
  expect_frames(rig.take_buffers(), clip, Edit::kEither);
}

}  // namespace
}  // namespace latentsync::test
