#include "tests/gst/host_test.h"

#include <gst/play/play.h>

/// latentsyncbin as the video-filter of players.
namespace latentsync::test {
namespace {

class Players : public HostTest, public testing::WithParamInterface<const char*> {
 protected:
  void TearDown() override {
    expect_freed();
    HostTest::TearDown();
  }
  struct Player {
    Ref<GstElement> pipeline;
    Ref<GstElement> sink;
    std::unique_ptr<FrameRecorder> recorder;
    ~Player() { gst_element_set_state(pipeline.get(), GST_STATE_NULL); }
  };
  static std::unique_ptr<Player> made(const char* factory, const std::string& context,
                                      const std::string& uri = title()) {
    auto player = std::make_unique<Player>();
    player->pipeline.reset(
        GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(factory, nullptr))));
    player->sink = made_sink();
    const Ref<GstElement> filter = made_filter(context);
    g_object_set(player->pipeline.get(), "uri", uri.c_str(), "video-filter", filter.get(),
                 "video-sink", player->sink.get(), nullptr);
    gst_util_set_object_arg(G_OBJECT(player->pipeline.get()), "flags", "video");
    player->recorder = std::make_unique<FrameRecorder>(pad_of(player->sink.get()).get());
    return player;
  }

  /// To PAUSED with the first frame at the sink. playbin3 of GStreamer 1.22 does not get there at
  /// times, whatever its video-filter is (docs/containers.md): then it is started again.
  static void preroll(Player& player) {
    for (int attempt = 0; attempt < 10; ++attempt) {
      gst_element_set_state(player.pipeline.get(), GST_STATE_PAUSED);
      if (gst_element_get_state(player.pipeline.get(), nullptr, nullptr, 5 * GST_SECOND) ==
          GST_STATE_CHANGE_SUCCESS) {
        return;
      }
      if (std::string(GetParam()) != "playbin3") break;
      gst_element_set_state(player.pipeline.get(), GST_STATE_NULL);
      player.recorder->take();
      fake::reset();
    }
    FAIL() << "no first frame";
  }
};

// All frames, timestamps and bytes are those of the command line.
TEST_P(Players, FramesAreThoseOfTheCommandLine) {
  for (const std::string& uri : {title(), irregular()}) {
    SCOPED_TRACE(uri);
    const auto wanted = of_the_command_line(uri);
    fake::reset();
    const auto player = made(GetParam(), "whole", uri);
    ASSERT_NO_FATAL_FAILURE(preroll(*player));
    gst_element_set_state(player->pipeline.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(wait_eos(player->pipeline.get()));
    EXPECT_EQ(player->recorder->frames(), wanted);
    if (uri == title()) expect_own_speech();
  }
}

// Fifty seeks: no hang, no frame of the wrong place, and each picture has its own speech.
TEST_P(Players, SpeechFollowsFiftySeeks) {
  for (const std::string context : {"whole", "sliding"}) {
    SCOPED_TRACE(context);
    fake::reset();
    const auto player = made(GetParam(), context);
    ASSERT_NO_FATAL_FAILURE(preroll(*player));
    seek_at_random(player->pipeline.get(), *player->recorder);
    expect_own_speech();
  }
}

// The state goes to READY, and the next title begins with the speech's begin; after NULL too.
TEST_P(Players, TheNextTitleBeginsAnew) {
  const auto player = made(GetParam(), "sliding");
  for (const GstState state : {GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY}) {
    fake::reset();
    player->recorder->take();
    g_object_set(player->pipeline.get(), "uri", second().c_str(), nullptr);
    ASSERT_NO_FATAL_FAILURE(preroll(*player));
    gst_element_set_state(player->pipeline.get(), GST_STATE_PLAYING);
    ASSERT_TRUE(wait_eos(player->pipeline.get()));
    EXPECT_EQ(player->recorder->frames().size(), 50U);
    expect_ascending(player->recorder->frames());
    expect_own_speech(0, 500);
    gst_element_set_state(player->pipeline.get(), state);
  }
}
INSTANTIATE_TEST_SUITE_P(, Players, testing::Values("playbin", "playbin3"),
                         [](const auto& info) { return std::string(info.param); });

class GstPlayer : public HostTest {
 protected:
  void TearDown() override {
    expect_freed();
    HostTest::TearDown();
  }
  /// Waits for a message of GstPlay.
  static bool wait_for(GstBus* bus, GstPlayMessage wanted) {
    while (const Ref<GstMessage> message{gst_bus_timed_pop(bus, 20 * GST_SECOND)}) {
      if (!gst_play_is_play_message(message.get())) continue;
      GstPlayMessage type;
      gst_play_message_parse_type(message.get(), &type);
      if (type == wanted) return true;
      if (type == GST_PLAY_MESSAGE_ERROR) return false;
    }
    return false;
  }
};

// Plays, seeks as GstPlay does (to a key frame), and plays another title.
TEST_F(GstPlayer, PlaysSeeksAndPlaysAnother) {
  GstPlay* play = gst_play_new(nullptr);
  const Ref<GstBus> bus(gst_play_get_message_bus(play));
  const Ref<GstElement> pipeline(gst_play_get_pipeline(play));
  const Ref<GstElement> sink = made_sink();
  const Ref<GstElement> filter = made_filter("sliding");
  g_object_set(pipeline.get(), "video-filter", filter.get(), "video-sink", sink.get(), nullptr);
  {
    const FrameRecorder recorder(pad_of(sink.get()).get());
    gst_play_set_uri(play, title().c_str());
    gst_play_pause(play);
    ASSERT_TRUE(recorder.wait_frames(1));
    std::minstd_rand random(3);
    for (int i = 0; i < 50; ++i) {
      gst_play_seek(play, random() % 98 * kNumberedDuration);
      if (i % 10 == 0) ASSERT_TRUE(wait_for(bus.get(), GST_PLAY_MESSAGE_SEEK_DONE)) << i;
    }
    gst_play_play(play);
    ASSERT_TRUE(wait_for(bus.get(), GST_PLAY_MESSAGE_END_OF_STREAM));
    EXPECT_EQ(recorder.frames().back().number, 99);
    expect_own_speech();
    fake::reset();
    gst_play_set_uri(play, second().c_str());
    gst_play_play(play);
    ASSERT_TRUE(wait_for(bus.get(), GST_PLAY_MESSAGE_END_OF_STREAM));
    EXPECT_EQ(recorder.frames().back().number, 549);
    expect_own_speech(0, 500);
  }
  gst_play_stop(play);
  gst_bus_set_flushing(bus.get(), TRUE);
  gst_object_unref(play);
}

}  // namespace
}  // namespace latentsync::test
