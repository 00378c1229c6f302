#include "tests/gst/host_test.h"

#include <ges/ges.h>
#include <set>

/// latentsyncbin as an effect in timelines of GES.
namespace latentsync::test {
namespace {

class Editor : public HostTest {
 protected:
  static void SetUpTestSuite() {
    HostTest::SetUpTestSuite();
    ges_init();
  }

  /// A timeline with one layer of video, 96x64 at 25 frames/s.
  struct Timeline {
    Timeline() : timeline(ges_timeline_new()) {
      GESTrack* track = GES_TRACK(ges_video_track_new());
      const Ref<GstCaps> caps = caps_of("video/x-raw,width=96,height=64,framerate=25/1");
      ges_track_set_restriction_caps(track, caps.get());
      ges_timeline_add_track(timeline, track);
      layer = ges_timeline_append_layer(timeline);
      pipeline.reset(GST_ELEMENT(gst_object_ref_sink(ges_pipeline_new())));
      ges_pipeline_set_timeline(GES_PIPELINE(pipeline.get()), timeline);
    }
    ~Timeline() { gst_element_set_state(pipeline.get(), GST_STATE_NULL); }
    Timeline(const Timeline&) = delete;
    Timeline& operator=(const Timeline&) = delete;

    GESClip* add(const std::string& uri, int start_ms, int in_point_ms, int duration_ms) const {
      GESUriClipAsset* asset = ges_uri_clip_asset_request_sync(uri.c_str(), nullptr);
      GESClip* clip = ges_layer_add_asset(layer, GES_ASSET(asset), start_ms * GST_MSECOND,
                                          in_point_ms * GST_MSECOND, duration_ms * GST_MSECOND,
                                          GES_TRACK_TYPE_VIDEO);
      gst_object_unref(asset);
      return clip;
    }
    void preview(GstElement* sink) const {
      ges_pipeline_preview_set_video_sink(GES_PIPELINE(pipeline.get()), sink);
      ges_pipeline_set_mode(GES_PIPELINE(pipeline.get()), GES_PIPELINE_MODE_PREVIEW_VIDEO);
    }
    void commit() const { ges_timeline_commit_sync(timeline); }

    GESTimeline* timeline;
    GESLayer* layer;
    Ref<GstElement> pipeline;
  };

  static GESBaseEffect* add_effect(GESClip* clip, const std::string& context) {
    GESEffect* effect = ges_effect_new(filter(context).c_str());
    EXPECT_TRUE(ges_container_add(GES_CONTAINER(clip), GES_TIMELINE_ELEMENT(effect)));
    return GES_BASE_EFFECT(effect);
  }

  static std::vector<SeenFrame> play(const Timeline& timeline) {
    const Ref<GstElement> sink = made_sink();
    timeline.preview(sink.get());
    timeline.commit();
    const FrameRecorder recorder(pad_of(sink.get()).get());
    gst_element_set_state(timeline.pipeline.get(), GST_STATE_PLAYING);
    EXPECT_TRUE(wait_eos(timeline.pipeline.get()));
    return recorder.frames();
  }

  /// Each of these frames was rendered with its own speech. Before GES seeks a clip to its in-point
  /// it sends what the element holds of its file's begin: those frames are flushed, and not output.
  static void expect_speech_of(const std::vector<int>& numbers) {
    constexpr int kMostHeld = 50;
    std::set<int> right;
    for (const Heard& one : heard()) {
      const bool own = std::abs(one.ms - one.number * 40) <= 2;
      if (own) right.insert(one.number);
      EXPECT_TRUE(own || one.number < kMostHeld) << one.number << " heard " << one.ms << " ms";
    }
    int missing = 0;
    for (const int number : numbers) missing += right.count(number) == 0;
    // GES's rate conversion may drop one for a neighbour.
    EXPECT_LE(missing, 1);
  }

  /// GES's own rate conversion may show a neighbour of a frame, with any effect.
  static void expect_frames(const std::vector<SeenFrame>& frames, const std::vector<int>& wanted) {
    EXPECT_NEAR(static_cast<double>(frames.size()), static_cast<double>(wanted.size()), 1);
    for (size_t i = 0; i < std::min(frames.size(), wanted.size()); ++i) {
      EXPECT_NEAR(frames[i].number, wanted[i], 1) << i;
    }
  }

  static std::vector<int> from_to(int first, int end) {
    std::vector<int> numbers;
    for (int number = first; number < end; ++number) numbers.push_back(number);
    return numbers;
  }
};

// Each frame of a trimmed clip has the speech of its media time.
TEST_F(Editor, SpeechFollowsTheInPoint) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    const Timeline timeline;
    add_effect(timeline.add(title(), 0, 1000, 2000), context);
    expect_frames(play(timeline), from_to(25, 75));
    expect_speech_of(from_to(25, 75));
  }
}

// A split does not change which speech a frame gets, and no frame is lost.
TEST_F(Editor, SpeechGoesOnAfterASplit) {
  const Timeline timeline;
  GESClip* clip = timeline.add(title(), 0, 0, 4000);
  add_effect(clip, "sliding");
  ASSERT_NE(ges_clip_split(clip, 1200 * GST_MSECOND), nullptr);
  expect_frames(play(timeline), from_to(0, 100));
  expect_speech_of(from_to(0, 100));
}

// Two clips, each with its effect.
TEST_F(Editor, EachClipHasItsOwnSpeech) {
  const Timeline timeline;
  add_effect(timeline.add(title(), 0, 400, 1200), "sliding");
  add_effect(timeline.add(title(), 1200, 2000, 1600), "sliding");
  auto wanted = from_to(10, 40);
  for (const int number : from_to(50, 90)) wanted.push_back(number);
  expect_frames(play(timeline), wanted);
  expect_speech_of(wanted);
}

// Rendered to a file the timeline ends by itself, with every frame.
TEST_F(Editor, RendersAFile) {
  const Timeline timeline;
  add_effect(timeline.add(title(), 0, 0, 4000), "whole");
  GstEncodingContainerProfile* profile = gst_encoding_container_profile_new(
      "mkv", nullptr, caps_of("video/x-matroska").get(), nullptr);
  gst_encoding_container_profile_add_profile(
      profile, GST_ENCODING_PROFILE(gst_encoding_video_profile_new(
                   caps_of("video/x-ffv,ffvversion=1").get(), nullptr, nullptr, 1)));
  ASSERT_TRUE(ges_pipeline_set_render_settings(GES_PIPELINE(timeline.pipeline.get()),
                                               file("edited.mkv").c_str(),
                                               GST_ENCODING_PROFILE(profile)));
  gst_object_unref(profile);
  ges_pipeline_set_mode(GES_PIPELINE(timeline.pipeline.get()), GES_PIPELINE_MODE_RENDER);
  timeline.commit();
  gst_element_set_state(timeline.pipeline.get(), GST_STATE_PLAYING);
  ASSERT_TRUE(wait_eos(timeline.pipeline.get()));
  gst_element_set_state(timeline.pipeline.get(), GST_STATE_NULL);
  expect_frames(frames_of_file(file("edited.mkv")), from_to(0, 100));
  expect_own_speech();
}

}  // namespace
}  // namespace latentsync::test
