#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <chrono>
#include <cmath>
#include <optional>

namespace latentsync::test {
namespace {

class Messages : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Messages);

struct Progress {
  GstProgressType type;
  std::string code;
  std::string text;
};

std::vector<Progress> progress_of(Rig& rig) {
  std::vector<Progress> all;
  for (const auto& message : rig.messages(GST_MESSAGE_PROGRESS)) {
    GstProgressType type = GST_PROGRESS_TYPE_ERROR;
    gchar* code = nullptr;
    gchar* text = nullptr;
    gst_message_parse_progress(message.get(), &type, &code, &text);
    all.push_back({type, code, text});
    g_free(code);
    g_free(text);
  }
  return all;
}

// While the model loads the bus is told: a start, steps, an end, all of model-load and with words.
TEST_P(Messages, TellTheProgressOfLoading) {
  fake::behave("load-delay=50ms,load-steps=5");
  Rig rig(GetParam());
  run(rig, Clip{});
  std::vector<Progress> loading;
  for (const Progress& progress : progress_of(rig)) {
    if (progress.code == "model-load") loading.push_back(progress);
  }
  ASSERT_GE(loading.size(), 3u);
  EXPECT_EQ(loading.front().type, GST_PROGRESS_TYPE_START);
  EXPECT_EQ(loading.back().type, GST_PROGRESS_TYPE_COMPLETE);
  for (size_t at = 1; at + 1 < loading.size(); ++at) {
    EXPECT_EQ(loading[at].type, GST_PROGRESS_TYPE_CONTINUE);
    EXPECT_FALSE(loading[at].text.empty());
  }
}

// The end of the loading and the statistics tell what is in force: model and version, device,
// precision, autoencoder, resolution, steps, attention.
TEST_P(Messages, TellWhatIsInForce) {
  Rig rig(GetParam());
  rig.set("attention-mode", "flash");
  run(rig, Clip{});
  std::string loaded;
  for (const Progress& progress : progress_of(rig)) {
    if (progress.type == GST_PROGRESS_TYPE_COMPLETE) loaded = progress.text;
  }
  for (const char* part :
       {"fake 1.6", "cpu", "float32", "resolution 64", "4 steps", "vae full", "attention flash"}) {
    EXPECT_NE(loaded.find(part), std::string::npos) << part << " is missing in " << loaded;
  }
  GstStructure* stats = nullptr;
  g_object_get(rig.element(), "stats", &stats, nullptr);
  gchar* text = gst_structure_to_string(stats);
  for (const char* part : {"version=(string)1.6", "vae=(string)full", "resolution=(gint64)64",
                           "inference-steps=(gint64)4", "attention=(string)flash"}) {
    EXPECT_NE(std::string(text).find(part), std::string::npos) << part << " is missing in " << text;
  }
  g_free(text);
  gst_structure_free(stats);
}

// Windows that the disk cache had are told as that, and counted.
TEST_P(Messages, TellWhatTheCacheHad) {
  fake::behave("cached=2");
  for (const bool on : {true, false}) {
    SCOPED_TRACE(on);
    Rig rig(GetParam(), {{"disk-cache", on ? "true" : "false"}});
    run(rig, Clip{});
    std::vector<bool> cached;
    for (const auto& message : rig.element_messages("latentsync-window")) {
      gboolean is = FALSE;
      ASSERT_TRUE(
          gst_structure_get_boolean(gst_message_get_structure(message.get()), "cached", &is));
      cached.push_back(is != FALSE);
    }
    EXPECT_EQ(cached, (std::vector<bool>{on, on, false}));
    EXPECT_EQ(number(stats_of(rig).get(), "cache-hits"), on ? 2 : 0);
  }
}

// What is wrong with the disk cache is one warning, in the engine's words; the frames are rendered.
TEST_P(Messages, TellOnceWhatIsWrongWithTheCache) {
  fake::behave("cache-warning=The folder /full cannot be written to.");
  Rig rig(GetParam(), {{"disk-cache", "true"}});
  run(rig, Clip{});
  const auto warnings = rig.messages(GST_MESSAGE_WARNING);
  ASSERT_EQ(warnings.size(), 1u);
  GError* error = nullptr;
  gst_message_parse_warning(warnings.front().get(), &error, nullptr);
  EXPECT_STREQ(error->message, "The folder /full cannot be written to.");
  EXPECT_TRUE(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED));
  g_error_free(error);
  EXPECT_EQ(number(stats_of(rig).get(), "frames-edited"), 40);
}

// That a stream's last windows could not be kept is one warning: before the end of the stream where
// nothing is live, else when the element stops.
TEST_P(Messages, TellWhatTheCacheCouldNotKeepAtTheEnd) {
  fake::behave("cache-end-warning=The disk of /full is full.");
  const bool live = GetParam() == Mode::kLive;
  Rig rig(GetParam(), {{"disk-cache", "true"}});
  run(rig, Clip{});
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), live ? 0u : 1u);
  rig.change(GST_STATE_READY);
  const auto warnings = sentences_of(rig);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings.front().starts_with("The disk of /full is full.")) << warnings.front();
}

// A stream that is stopped in its middle tells so as well; one without a cache has nothing to tell.
TEST_P(Messages, TellWhatTheCacheCouldNotKeepWhenStopped) {
  fake::behave("cache-end-warning=The disk of /full is full.");
  for (const bool on : {true, false}) {
    Rig rig(GetParam(), {{"disk-cache", on ? "true" : "false"}});
    rig.start();
    begin(rig, Clip{});
    feed_frames(rig.video, Clip{});
    feed_samples(rig.audio, Clip{});
    ASSERT_TRUE(rig.wait_buffers_at(GST_SECOND, 16));
    rig.change(GST_STATE_READY);
    EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), on ? 1u : 0u);
  }
}

// A disk that takes long to write the last windows does not hold the end of a stream back for long,
// and that of a live stream not at all.
TEST_P(Messages, TheEndDoesNotWaitLongForTheCache) {
  const bool live = GetParam() == Mode::kLive;
  fake::behave("cache-end-warning=The disk of /full is full.");
  fake::behave(live ? "cache-end-delay=1500ms" : "cache-end-delay=4s");
  Rig rig(GetParam(), {{"disk-cache", "true"}});
  const auto begin = std::chrono::steady_clock::now();
  run(rig, Clip{});
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(live ? 1400 : 3500));
  rig.change(GST_STATE_READY);
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
}

// A seek while the end waits for the disk: the stream goes on from there.
TEST(CacheMessages, ASeekWhileTheEndWaitsGoesOn) {
  fake::behave("cache-end-delay=1s");
  Rig rig(Mode::kNotLive, {{"disk-cache", "true"}});
  const Clip clip;
  rig.start();
  feed(rig, clip);
  ASSERT_TRUE(rig.wait_buffers(clip.frames));
  EXPECT_FALSE(rig.eos());
  rig.take();
  ASSERT_TRUE(seek(rig, clip));
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
}

// What a model warns of is a warning each, once.
TEST_P(Messages, TellWhatTheModelWarnsOf) {
  fake::behave("warnings=2");
  Rig rig(GetParam());
  run(rig, Clip{});
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 2u);
}

// Within a window that takes long the bus is told how far it is, by stage and step; of short ones
// it is told nothing.
TEST_P(Messages, TellTheProgressWithinALongWindow) {
  fake::behave("step-delay=300ms,steps=6");
  Rig rig(GetParam());
  run(rig, Clip{.frames = 16});
  const auto messages = rig.element_messages("latentsync-progress");
  ASSERT_GE(messages.size(), 2u);
  int last = 0;
  for (const auto& message : messages) {
    const GstStructure* structure = gst_message_get_structure(message.get());
    int step = 0, steps = 0, frames = 0;
    double part = 0, seconds = 0;
    ASSERT_TRUE(gst_structure_get(structure, "step", G_TYPE_INT, &step, "steps", G_TYPE_INT, &steps,
                                  "frames", G_TYPE_INT, &frames, "part", G_TYPE_DOUBLE, &part,
                                  "seconds", G_TYPE_DOUBLE, &seconds, nullptr));
    EXPECT_STREQ(gst_structure_get_string(structure, "stage"), "denoise");
    EXPECT_GT(step, last);
    EXPECT_EQ(steps, 6);
    EXPECT_EQ(frames, 16);
    EXPECT_NEAR(part, step / 6., 1e-9);
    EXPECT_GE(seconds, 0.3 * (step - 1));
    last = step;
  }
}

TEST_P(Messages, TellNoProgressWithinShortWindows) {
  Rig rig(GetParam());
  run(rig, Clip{});
  EXPECT_TRUE(rig.element_messages("latentsync-progress").empty());
}

// A load that fails or is ended is told as that: no progress is left open.
TEST_P(Messages, CloseTheProgressOfALoadThatFails) {
  fake::behave("load-failure=damaged-file");
  Rig rig(GetParam());
  rig.change(GST_STATE_PLAYING);
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto all = progress_of(rig);
  if (!all.empty()) {
    EXPECT_EQ(all.back().type, GST_PROGRESS_TYPE_ERROR);
  }
}

// There is one message for each window, in order, with its place, its frames and what became of
// them, and its seconds.
TEST_P(Messages, TellEachWindow) {
  fake::behave("no-face=0ms-100ms");
  Rig rig(GetParam());
  run(rig, Clip{});
  const auto messages = rig.element_messages("latentsync-window");
  ASSERT_EQ(messages.size(), 3u);
  const std::vector<int64_t> frames = {16, 16, 8};
  for (size_t at = 0; at < messages.size(); ++at) {
    const GstStructure* structure = gst_message_get_structure(messages[at].get());
    gchar* text = gst_structure_to_string(structure);
    SCOPED_TRACE(text);
    g_free(text);
    EXPECT_EQ(number(structure, "frames"), frames[at]);
    EXPECT_EQ(number(structure, "edited"), at == 0 ? 13 : frames[at]);
    const auto time = static_cast<int64_t>(at * 16 * 40 * GST_MSECOND);
    EXPECT_EQ(number(structure, "stream-time"), time);
    EXPECT_EQ(number(structure, "running-time"), time);
    gdouble seconds = 0;
    EXPECT_TRUE(gst_structure_get_double(structure, "seconds-denoise", &seconds));
    EXPECT_DOUBLE_EQ(seconds, 0.004);
  }
}

struct ToldFrame {
  int64_t time = -1;
  std::string outcome;
  double confidence = -1, weight = -1, width = -1;
  std::optional<double> mouth;
};

std::vector<ToldFrame> frames_told(Rig& rig) {
  std::vector<ToldFrame> all;
  for (const auto& message : rig.element_messages("latentsync-window")) {
    const GValue* results =
        gst_structure_get_value(gst_message_get_structure(message.get()), "results");
    if (results == nullptr) return {};
    for (guint at = 0; at < gst_value_array_get_size(results); ++at) {
      const GstStructure* frame = gst_value_get_structure(gst_value_array_get_value(results, at));
      ToldFrame& told = all.emplace_back();
      told.time = number(frame, "stream-time");
      told.outcome = gst_structure_get_string(frame, "outcome");
      gst_structure_get(frame, "confidence", G_TYPE_DOUBLE, &told.confidence, "weight",
                        G_TYPE_DOUBLE, &told.weight, nullptr);
      gst_structure_get_double(frame, "width", &told.width);
      double mouth = 0;
      if (gst_structure_get_double(frame, "mouth-opening", &mouth)) told.mouth = mouth;
    }
  }
  return all;
}

// Each window tells of each of its frames: its time, what became of it and why, its face, and how
// far the mouth is open where that is asked for.
TEST_P(Messages, TellEachFrame) {
  for (const bool measured : {false, true}) {
    SCOPED_TRACE(measured);
    fake::behave("no-face=0ms-100ms");
    Rig rig(GetParam(), {{"measure-mouths", measured ? "true" : "false"}});
    run(rig, Clip{});
    const auto frames = frames_told(rig);
    ASSERT_EQ(frames.size(), 40u);
    for (size_t at = 0; at < frames.size(); ++at) {
      SCOPED_TRACE(at);
      const bool edited = at >= 3;
      EXPECT_EQ(frames[at].time, static_cast<int64_t>(at * 40 * GST_MSECOND));
      EXPECT_EQ(frames[at].outcome, edited ? "edited" : "no-face");
      EXPECT_EQ(frames[at].confidence, edited ? 0.9 : 0);
      EXPECT_EQ(frames[at].weight, edited ? 1 : 0);
      EXPECT_EQ(frames[at].width > 0, edited);
      EXPECT_EQ(frames[at].mouth.has_value(), measured && edited);
      if (frames[at].mouth) {
        EXPECT_DOUBLE_EQ(*frames[at].mouth, 0.02 * static_cast<double>(at % 16));
      }
    }
  }
}

// Each window tells its measures and its memory.
TEST_P(Messages, TellTheMemoryOfEachWindow) {
  Rig rig(GetParam());
  run(rig, Clip{});
  const auto messages = rig.element_messages("latentsync-window");
  ASSERT_FALSE(messages.empty());
  for (const auto& message : messages) {
    const GstStructure* structure = gst_message_get_structure(message.get());
    EXPECT_STREQ(gst_structure_get_string(structure, "rung"), "whole");
    EXPECT_GT(number(structure, "memory-peak"), 0);
  }
}

// The statistics have counted what happened, and start anew with the stream.
TEST_P(Messages, AndStatisticsCount) {
  fake::behave("no-face=0ms-100ms");
  Rig rig(GetParam());
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    run(rig, Clip{});
    const Ref<GstStructure> stats = stats_of(rig);
    ASSERT_TRUE(stats);
    gchar* text = gst_structure_to_string(stats.get());
    SCOPED_TRACE(text);
    g_free(text);
    EXPECT_EQ(number(stats.get(), "windows"), 3);
    EXPECT_EQ(number(stats.get(), "frames-in"), 40);
    EXPECT_EQ(number(stats.get(), "frames-out"), 40);
    EXPECT_EQ(number(stats.get(), "frames-passed"), 3);
    EXPECT_EQ(number(stats.get(), "frames-late"), 0);
    rig.stop();
  }
}

}  // namespace
}  // namespace latentsync::test
