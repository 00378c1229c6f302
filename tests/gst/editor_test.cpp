#include "tests/gst/host_test.h"

#include <algorithm>
#include <atomic>
#include <ges/ges.h>
#include <random>
#include <set>
#include <thread>

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
    /// In PAUSED, where ges_timeline_commit_sync() of GES 1.22 may lock itself, with any effect.
    bool commit_in_paused() const {
      std::atomic<bool> done = false;
      const auto note = +[](GESTimeline*, std::atomic<bool>* flag) { *flag = true; };
      const gulong handler = g_signal_connect(timeline, "commited", G_CALLBACK(note), &done);
      ges_timeline_commit(timeline);
      const auto end = std::chrono::steady_clock::now() + patience(std::chrono::seconds(10));
      while (!done && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      g_signal_handler_disconnect(timeline, handler);
      return done;
    }

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

  /// Each of these frames was rendered with its own speech. Before GES seeks a clip to its
  /// in-point, one of IN_POINTS_MS, frames of its file's begin arrive as if they were those of the
  /// in-point: they are flushed, and not output.
  static void expect_speech_of(const std::vector<int>& numbers,
                               const std::vector<int>& in_points_ms) {
    std::set<int> right;
    for (const Heard& one : heard()) {
      const int late = one.ms - one.number * 40;
      const bool own = std::abs(late) <= 2;
      const bool early = std::ranges::any_of(
          in_points_ms, [&](int in_point) { return std::abs(late - in_point) <= 2; });
      if (own) right.insert(one.number);
      EXPECT_TRUE(own || early) << one.number << " heard " << one.ms << " ms";
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

  /// To MS of a timeline that ends at END_MS; the seqnum. The next seek or state has to wait until
  /// this one is done: GES seeks in a thread of its own, and mixes them up, with any effect.
  static guint32 seek(const Timeline& timeline, int ms, int end_ms,
                      int flags = GST_SEEK_FLAG_ACCURATE) {
    // Without a stop GES's own sources log a critical, with any effect.
    GstEvent* event = gst_event_new_seek(
        1, GST_FORMAT_TIME, static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | flags),
        GST_SEEK_TYPE_SET, ms * GST_MSECOND, GST_SEEK_TYPE_SET, end_ms * GST_MSECOND);
    const guint32 seqnum = gst_event_get_seqnum(event);
    EXPECT_TRUE(gst_element_send_event(timeline.pipeline.get(), event));
    return seqnum;
  }
  /// Until the frames since the last flush begin with NUMBER, and the pipeline's state is reached.
  static bool wait_number(const Timeline& timeline, const FrameRecorder& recorder, int number) {
    const auto end = std::chrono::steady_clock::now() + patience(std::chrono::seconds(10));
    while (std::chrono::steady_clock::now() < end) {
      const auto frames = recorder.frames();
      if (!frames.empty() && std::abs(frames.front().number - number) <= 1) {
        return gst_element_get_state(timeline.pipeline.get(), nullptr, nullptr, 10 * GST_SECOND) ==
               GST_STATE_CHANGE_SUCCESS;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  /// Whether an EOS with this seqnum comes within 20 s, whatever others do before.
  static bool ends_with(GstElement* pipeline, guint32 seqnum) {
    const Ref<GstBus> bus(gst_element_get_bus(pipeline));
    while (const Ref<GstMessage> message{
        gst_bus_timed_pop_filtered(bus.get(), 20 * GST_SECOND, GST_MESSAGE_EOS)}) {
      if (gst_message_get_seqnum(message.get()) == seqnum) return true;
    }
    return false;
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
    expect_speech_of(from_to(25, 75), {1000});
  }
}

// A split does not change which speech a frame gets, and no frame is lost.
TEST_F(Editor, SpeechGoesOnAfterASplit) {
  const Timeline timeline;
  GESClip* clip = timeline.add(title(), 0, 0, 4000);
  add_effect(clip, "sliding");
  ASSERT_NE(ges_clip_split(clip, 1200 * GST_MSECOND), nullptr);
  expect_frames(play(timeline), from_to(0, 100));
  expect_speech_of(from_to(0, 100), {1200});
}

// Two clips, each with its effect.
TEST_F(Editor, EachClipHasItsOwnSpeech) {
  const Timeline timeline;
  add_effect(timeline.add(title(), 0, 400, 1200), "sliding");
  add_effect(timeline.add(title(), 1200, 2000, 1600), "sliding");
  auto wanted = from_to(10, 40);
  for (const int number : from_to(50, 90)) wanted.push_back(number);
  expect_frames(play(timeline), wanted);
  expect_speech_of(wanted, {400, 2000});
}

/// Two cuts of the title, each with an effect: frames 10 to 39 and 50 to 89, the latter of them
/// split at 2000 ms.
class EditorSeeks : public Editor {
 protected:
  static constexpr int kEndMs = 2800;
  static int number_at(int ms) { return ms < 1200 ? 10 + ms / 40 : 50 + (ms - 1200) / 40; }

  EditorSeeks() : sink_(made_sink(true)) {
    add_effect(timeline_.add(title(), 0, 400, 1200), "sliding");
    GESClip* const second = timeline_.add(title(), 1200, 2000, 1600);
    add_effect(second, "sliding");
    EXPECT_NE(ges_clip_split(second, 2000 * GST_MSECOND), nullptr);
    timeline_.preview(sink_.get());
    timeline_.commit();
    recorder_ = std::make_unique<FrameRecorder>(pad_of(sink_.get()).get());
  }

  void TearDown() override {
    recorder_.reset();
    gst_element_set_state(timeline_.pipeline.get(), GST_STATE_NULL);
    Editor::TearDown();
  }
  const Timeline timeline_;
  const Ref<GstElement> sink_;
  std::unique_ptr<FrameRecorder> recorder_;
};

// Fifty seeks over cuts and splits: no hang, and the frame of the wanted place; then the timeline
// ends by itself, with the seqnum of the last seek.
TEST_F(EditorSeeks, GoWhereTheyShould) {
  std::minstd_rand random(5);
  GstElement* const pipeline = timeline_.pipeline.get();
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  bool playing = false;
  for (int i = 0; i < 50; ++i) {
    const int ms = static_cast<int>(random() % (kEndMs / 40 - 1)) * 40;
    seek(timeline_, ms, kEndMs, random() % 2 ? GST_SEEK_FLAG_KEY_UNIT : GST_SEEK_FLAG_ACCURATE);
    ASSERT_TRUE(wait_number(timeline_, *recorder_, number_at(ms)))
        << i << " " << ms << " " << testing::PrintToString(recorder_->frames());
    if (random() % 4 == 0) {
      playing = !playing;
      gst_element_set_state(pipeline, playing ? GST_STATE_PLAYING : GST_STATE_PAUSED);
      if (!playing) ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    }
  }
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  const guint32 seqnum = seek(timeline_, 0, kEndMs);
  ASSERT_TRUE(wait_number(timeline_, *recorder_, number_at(0)));
  ASSERT_TRUE(change(pipeline, GST_STATE_PLAYING));
  EXPECT_TRUE(ends_with(pipeline, seqnum));
  auto wanted = from_to(10, 40);
  for (const int number : from_to(50, 90)) wanted.push_back(number);
  expect_frames(recorder_->frames(), wanted);
  expect_speech_of(wanted, {0, 400, 2000, 2800});
}

// An effect that is added or removed in PAUSED, with a commit that is waited for, holds from there
// on, and the timeline ends by itself.
TEST_F(Editor, EffectsComeAndGoInPaused) {
  const Timeline timeline;
  GESClip* const clip = timeline.add(title(), 0, 400, 2000);
  const Ref<GstElement> sink = made_sink();
  timeline.preview(sink.get());
  timeline.commit();
  GstElement* const pipeline = timeline.pipeline.get();
  FrameRecorder recorder(pad_of(sink.get()).get());
  ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
  // The seek, because the frame after a commit may be another one, with any effect.
  const auto commit = [&] {
    if (!timeline.commit_in_paused() || !change(pipeline, GST_STATE_PAUSED)) return false;
    recorder.take();
    seek(timeline, 0, 2000);
    return wait_number(timeline, recorder, 10);
  };
  for (int turn = 0; turn < 3; ++turn) {
    SCOPED_TRACE(turn);
    fake::reset();
    GESBaseEffect* const effect = add_effect(clip, turn == 1 ? "whole" : "sliding");
    ASSERT_TRUE(commit());
    if (turn != 1) {
      ASSERT_TRUE(change(pipeline, GST_STATE_PLAYING));
      ASSERT_TRUE(wait_eos(pipeline));
      expect_frames(recorder.frames(), from_to(10, 60));
      expect_speech_of(from_to(10, 60), {400});
      ASSERT_TRUE(change(pipeline, GST_STATE_PAUSED));
    }
    ASSERT_TRUE(ges_container_remove(GES_CONTAINER(clip), GES_TIMELINE_ELEMENT(effect)));
    ASSERT_TRUE(commit());
  }
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
