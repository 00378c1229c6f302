#include "tests/gst/clip.h"

#include <gst/video/gstvideopool.h>

namespace latentsync::test {
namespace {

class Queries : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Queries);

// Position, duration and where can be sought are the video source's, not the audio's.
TEST_P(Queries, GoToTheVideo) {
  Rig rig(GetParam());
  rig.video.position = 3 * GST_SECOND;
  rig.video.duration = 7 * GST_SECOND;
  rig.video.seekable = rig.audio.seekable = true;
  rig.audio.position = 4 * GST_SECOND;
  rig.audio.duration = 9 * GST_SECOND;
  rig.start();
  const Clip clip;
  begin(rig, clip);
  ASSERT_TRUE(rig.video.wait_idle());
  gint64 value = 0;
  const Ref<GstQuery> position(gst_query_new_position(GST_FORMAT_TIME));
  ASSERT_TRUE(rig.query(position.get()));
  gst_query_parse_position(position.get(), nullptr, &value);
  EXPECT_EQ(value, static_cast<gint64>(3 * GST_SECOND));
  const Ref<GstQuery> duration(gst_query_new_duration(GST_FORMAT_TIME));
  ASSERT_TRUE(rig.query(duration.get()));
  gst_query_parse_duration(duration.get(), nullptr, &value);
  EXPECT_EQ(value, static_cast<gint64>(7 * GST_SECOND));
  const Ref<GstQuery> seeking(gst_query_new_seeking(GST_FORMAT_TIME));
  ASSERT_TRUE(rig.query(seeking.get()));
  gboolean seekable = FALSE;
  gst_query_parse_seeking(seeking.get(), nullptr, &seekable, nullptr, &value);
  EXPECT_TRUE(seekable);
  EXPECT_EQ(value, static_cast<gint64>(7 * GST_SECOND));
}

// What only one of the sources can do, or cannot be done in time, is no seeking.
TEST_P(Queries, SeekingTakesBothSources) {
  Rig rig(GetParam());
  rig.start();
  for (const auto& [video, audio, format] :
       {std::tuple(true, true, GST_FORMAT_TIME), std::tuple(true, false, GST_FORMAT_TIME),
        std::tuple(false, true, GST_FORMAT_TIME), std::tuple(true, true, GST_FORMAT_BYTES)}) {
    rig.video.seekable = video;
    rig.audio.seekable = audio;
    const Ref<GstQuery> seeking(gst_query_new_seeking(format));
    gboolean seekable = FALSE;
    if (rig.query(seeking.get())) {
      gst_query_parse_seeking(seeking.get(), nullptr, &seekable, nullptr, nullptr);
    }
    EXPECT_EQ(seekable, video && audio && format == GST_FORMAT_TIME);
  }
}

// The latency has the window (a frame may wait for all that follow it) and the look-ahead, and the
// greater latency of both sources; live only where a source is.
TEST_P(Queries, LatencyHasWindowAndLookAhead) {
  Rig rig(GetParam(), {{"audio-lookahead", "300000000"}, {"window-frames", "10"}});
  rig.video.latency = 40 * GST_MSECOND;
  rig.audio.latency = 70 * GST_MSECOND;
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.wait_buffers(10));
  const Rig::Latency latency = rig.update_latency();
  EXPECT_EQ(latency.live, GetParam() == Mode::kLive);
  if (GetParam() == Mode::kLive) {
    EXPECT_GE(latency.least, (70 + 9 * 40 + 300) * GST_MSECOND);
    // No more than a window's own duration again for making it.
    EXPECT_LE(latency.least, (70 + 20 * 40 + 300 + 100) * GST_MSECOND);
    EXPECT_TRUE(latency.most == GST_CLOCK_TIME_NONE || latency.most >= latency.least);
  }
}

// A message tells the pipeline when the latency changes with the frame rate.
TEST_P(Queries, LatencyChangesAreTold) {
  if (GetParam() != Mode::kLive) GTEST_SKIP() << "for live graphs only";
  Rig rig(GetParam());
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.wait_buffers(16));
  const GstClockTime at_25 = rig.update_latency().least;
  const size_t told = rig.messages(GST_MESSAGE_LATENCY).size();
  Clip slow;
  slow.first = 40;
  slow.picture.rate = "10/1";
  slow.rate_numerator = 10;
  rig.video.caps(slow.picture.caps());
  feed_frames(rig.video, slow);
  feed_samples(rig.audio, slow);
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_LATENCY, told + 1));
  EXPECT_GT(rig.update_latency().least, at_25);
}

// QoS events of the sink travel to the video source, and not to the audio's.
TEST_P(Queries, QosPassesUpstream) {
  Rig rig(GetParam());
  rig.start();
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_TRUE(rig.send_upstream(
      gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 20 * GST_MSECOND, GST_SECOND)));
  EXPECT_EQ(rig.video.events(GST_EVENT_QOS), 1);
  const Ref<GstEvent> event = rig.video.last_event(GST_EVENT_QOS);
  ASSERT_TRUE(event);
  gdouble proportion = 0;
  gst_event_parse_qos(event.get(), nullptr, &proportion, nullptr, nullptr);
  EXPECT_EQ(proportion, 1.5);
}

// The ALLOCATION query asks a video source for what a window holds, and for video metas.
TEST_P(Queries, AllocationAsksForAWindow) {
  for (const int window : {1, 16, 24}) {
    SCOPED_TRACE(window);
    Rig rig(GetParam(), {{"window-frames", std::to_string(window)}});
    // Frames pass through: what they may carry is what downstream understands.
    rig.allocation = [](GstQuery* question) {
      gst_query_add_allocation_meta(question, GST_VIDEO_META_API_TYPE, nullptr);
      return true;
    };
    rig.start();
    const Clip clip;
    begin(rig, clip);
    ASSERT_TRUE(rig.video.wait_idle());
    const Ref<GstCaps> caps = caps_of(clip.picture.caps());
    const Ref<GstQuery> question(gst_query_new_allocation(caps.get(), TRUE));
    ASSERT_TRUE(gst_pad_peer_query(rig.video.pad(), question.get()));
    EXPECT_TRUE(gst_query_find_allocation_meta(question.get(), GST_VIDEO_META_API_TYPE, nullptr));
    ASSERT_GE(gst_query_get_n_allocation_pools(question.get()), 1u);
    GstBufferPool* pool = nullptr;
    guint size = 0;
    guint least = 0;
    guint most = 0;
    gst_query_parse_nth_allocation_pool(question.get(), 0, &pool, &size, &least, &most);
    EXPECT_GE(least, static_cast<guint>(window + 2));
    EXPECT_TRUE(most == 0 || most >= least);
    EXPECT_GE(size, static_cast<guint>(32 * 24 * 3 / 2));
    if (pool) gst_object_unref(pool);
  }
}

// What downstream needs comes on top of what a window holds.
TEST_P(Queries, AllocationAsksDownstreamToo) {
  Rig rig(GetParam());
  rig.allocation = [](GstQuery* question) {
    gst_query_add_allocation_pool(question, nullptr, 32 * 24 * 3 / 2, 5, 0);
    return true;
  };
  rig.start();
  const Clip clip;
  begin(rig, clip);
  ASSERT_TRUE(rig.video.wait_idle());
  const Ref<GstCaps> caps = caps_of(clip.picture.caps());
  const Ref<GstQuery> question(gst_query_new_allocation(caps.get(), TRUE));
  ASSERT_TRUE(gst_pad_peer_query(rig.video.pad(), question.get()));
  EXPECT_FALSE(gst_query_find_allocation_meta(question.get(), GST_VIDEO_META_API_TYPE, nullptr));
  guint least = 0;
  ASSERT_GE(gst_query_get_n_allocation_pools(question.get()), 1u);
  gst_query_parse_nth_allocation_pool(question.get(), 0, nullptr, nullptr, &least, nullptr);
  EXPECT_GE(least, 16u + 2u + 5u);
}

// A tail of four frames with a downstream pool of two does not starve.
TEST_P(Queries, AllocationOfASmallPoolDownstreamDoesNotStarve) {
  Rig rig(GetParam());
  const Clip clip;
  rig.allocation = [&](GstQuery* question) {
    GstCaps* caps = nullptr;
    gst_query_parse_allocation(question, &caps, nullptr);
    GstBufferPool* pool = gst_video_buffer_pool_new();
    GstStructure* config = gst_buffer_pool_get_config(pool);
    gst_buffer_pool_config_set_params(config, caps, 32 * 24 * 3 / 2, 2, 2);
    gst_buffer_pool_set_config(pool, config);
    gst_query_add_allocation_pool(question, pool, 32 * 24 * 3 / 2, 2, 2);
    gst_object_unref(pool);
    return true;
  };
  std::vector<Ref<GstBuffer>> held;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip, [&](GstBuffer* frame) { held.push_back(share(frame)); });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// The pads negotiate: what is asked for downstream is what upstream may give.
TEST_P(Queries, CapsOfThePadsFollowEachOther) {
  Rig rig(GetParam());
  rig.start();
  const Ref<GstQuery> question(gst_query_new_caps(nullptr));
  ASSERT_TRUE(gst_pad_peer_query(rig.video.pad(), question.get()));
  GstCaps* caps = nullptr;
  gst_query_parse_caps_result(question.get(), &caps);
  for (const char* format : kFormats) {
    Picture picture;
    picture.format = format;
    EXPECT_TRUE(gst_caps_can_intersect(caps, caps_of(picture.caps()).get())) << format;
  }
  EXPECT_FALSE(gst_caps_can_intersect(
      caps, caps_of("video/x-raw,format=GRAY8,width=8,height=8,framerate=25/1").get()));
  const Ref<GstQuery> audio(gst_query_new_caps(nullptr));
  ASSERT_TRUE(gst_pad_peer_query(rig.audio.pad(), audio.get()));
  gst_query_parse_caps_result(audio.get(), &caps);
  EXPECT_TRUE(gst_caps_can_intersect(caps, caps_of(audio_caps(AudioFormat::kS16)).get()));
  EXPECT_TRUE(gst_caps_can_intersect(caps, caps_of(audio_caps(AudioFormat::kF32)).get()));
  EXPECT_TRUE(gst_caps_can_intersect(
      caps, caps_of("audio/x-raw,format=S16LE,rate=44100,channels=1,layout=interleaved").get()));
  EXPECT_FALSE(gst_caps_can_intersect(
      caps,
      caps_of("audio/x-raw,format=S16LE,rate=16000,channels=1,layout=non-interleaved").get()));
}

// Live, and the audio stalls: when the latency is over frames leave anyway, untouched or edited
// with what was there, and none is lost; untouched ones are told by a QoS message.
TEST_P(Queries, LiveFramesLeaveInTimeWhenAudioStalls) {
  if (GetParam() != Mode::kLive) GTEST_SKIP() << "for live graphs only";
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  clip.audio_end = 4000;  // 250 ms, and no more
  begin(rig, clip);
  ASSERT_TRUE(rig.audio.wait_idle());
  feed_samples(rig.audio, clip);
  feed_frames(rig.video, clip);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const GstClockTime latency = rig.update_latency().least;
  for (GstClockTime time = 0; time <= clip.end_time() + latency + GST_SECOND;
       time += 20 * GST_MSECOND) {
    rig.set_time(time);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_TRUE(rig.wait_buffers(32, std::chrono::seconds(5))) << rig.buffers();
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  const auto outputs = rig.take_buffers();
  expect_frames(outputs, clip, Edit::kEither);
  size_t untouched = 0;
  const auto specs = clip.specs();
  for (size_t at = 0; at < outputs.size(); ++at) {
    untouched += bytes_of(outputs[at].get()) == bytes_of(make_frame(clip.picture, specs[at]).get());
  }
  if (untouched > 0) {
    EXPECT_FALSE(rig.messages(GST_MESSAGE_QOS).empty());
  }
}

}  // namespace
}  // namespace latentsync::test
