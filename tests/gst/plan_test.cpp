#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <thread>

/// The memory plan: what the engine is asked for, what is posted, and what follows from it.
namespace latentsync::test {
namespace {

class Plan : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Plan);

std::string text(const GstStructure* structure, const char* name) {
  const gchar* value = gst_structure_get_string(structure, name);
  return value ? value : "";
}

/// What was posted of each plan, in order: its rung.
std::vector<std::string> rungs_of(Rig& rig) {
  std::vector<std::string> rungs;
  for (const auto& message : rig.element_messages("latentsync-plan")) {
    rungs.push_back(text(gst_message_get_structure(message.get()), "rung"));
  }
  return rungs;
}

// The properties reach the plan, before anything is loaded, and the session; the frames' size does
// where it is known.
TEST_P(Plan, IsMadeForTheProperties) {
  fake::behave("load-delay=100ms");
  {
    Rig rig(GetParam(), {{"vram-budget", "6144"},
                         {"vram-fraction", "0.5"},
                         {"memory-mode", "aggressive"},
                         {"optimization-level", "conservative"},
                         {"window-frames", "12"},
                         {"resolution", "256"},
                         {"vae", "tiny"}});
    run(rig, Clip{});
  }
  ASSERT_EQ(fake::plans().size(), 1u);
  const PlanRequest planned = fake::plans().front();
  EXPECT_EQ(planned.memory.vram_budget, 6144);
  EXPECT_EQ(planned.memory.vram_fraction, 0.5);
  EXPECT_EQ(planned.memory.memory_mode, MemoryMode::kAggressive);
  EXPECT_EQ(planned.memory.optimization_level, OptimizationLevel::kConservative);
  EXPECT_EQ(planned.window_frames, 12);
  EXPECT_EQ(planned.settings.resolution, 256);
  EXPECT_EQ(planned.model.vae, VaeChoice::kTiny);
  ASSERT_EQ(fake::opened().size(), 1u);
  const PlanRequest opened = fake::opened().front();
  EXPECT_EQ(opened.memory, planned.memory);
  EXPECT_EQ(opened.settings, planned.settings);
  EXPECT_EQ(opened.width, Picture{}.width);
  EXPECT_EQ(opened.height, Picture{}.height);
}

// Frames that become larger in mid-stream are planned for anew.
TEST_P(Plan, IsMadeAnewForLargerFrames) {
  const Clip small{.frames = 16};
  const Clip large{.picture = {.width = 2560, .height = 1440}, .first = 16, .frames = 4};
  Rig rig(GetParam());
  rig.start();
  begin(rig, small);
  feed_frames(rig.video, small);
  feed_samples(rig.audio, Clip{.frames = 40});
  ASSERT_TRUE(rig.wait_buffers(16));
  rig.video.caps(large.picture.caps());
  feed_frames(rig.video, large);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.buffers(), 20u);
  EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{16, 4}));
  EXPECT_EQ(fake::opened().size(), 2u);
  EXPECT_EQ(fake::opened().back().width, 2560);
  EXPECT_EQ(fake::opened().back().height, 1440);
}

// The plan is posted once, before the model is loaded: the rung that fits, what it needs, and
// all rungs.
TEST_P(Plan, IsTold) {
  Rig rig(GetParam(), {{"vram-budget", "3500"}});
  run(rig, Clip{});
  const auto messages = rig.element_messages("latentsync-plan");
  ASSERT_EQ(messages.size(), 1u);
  const GstStructure* plan = gst_message_get_structure(messages.front().get());
  SCOPED_TRACE(text_of(plan));
  EXPECT_EQ(text(plan, "device"), "cpu");
  EXPECT_EQ(text(plan, "precision"), "float32");
  EXPECT_EQ(text(plan, "rung"), "vae-tiles");
  EXPECT_EQ(number(plan, "fits"), 1);
  EXPECT_EQ(number(plan, "resolution"), 64);
  EXPECT_EQ(number(plan, "window-frames"), 16);
  constexpr int64_t kMebibyte = 1 << 20;
  EXPECT_EQ(number(plan, "total"), 8192 * kMebibyte);
  EXPECT_EQ(number(plan, "free"), 8192 * kMebibyte);
  EXPECT_EQ(number(plan, "budget"), 3500 * kMebibyte);
  EXPECT_EQ(number(plan, "peak"), 3000 * kMebibyte);
  EXPECT_EQ(number(plan, "weights"), 500 * kMebibyte);
  EXPECT_EQ(number(plan, "workspaces"), 100 * kMebibyte);
  EXPECT_GT(number(plan, "frames"), 0);
  GstStructure* stages = nullptr;
  ASSERT_TRUE(gst_structure_get(plan, "stages", GST_TYPE_STRUCTURE, &stages, nullptr));
  const Ref<GstStructure> owned(stages);
  for (const char* stage : {"face", "audio", "encode", "denoise", "decode", "paste"}) {
    EXPECT_GT(number(stages, stage), 0) << stage;
  }
  const GValue* rungs = gst_structure_get_value(plan, "rungs");
  ASSERT_TRUE(rungs && GST_VALUE_HOLDS_ARRAY(rungs));
  ASSERT_EQ(gst_value_array_get_size(rungs), 4u);
  const GstStructure* last = gst_value_get_structure(gst_value_array_get_value(rungs, 3));
  EXPECT_EQ(text(last, "name"), "window-8");
  EXPECT_EQ(number(last, "window-frames"), 8);
  EXPECT_EQ(number(last, "vae-tile"), 64);
  EXPECT_EQ(number(last, "peak"), 1000 * kMebibyte);
  const auto all =
      rig.messages(static_cast<GstMessageType>(GST_MESSAGE_PROGRESS | GST_MESSAGE_ELEMENT));
  for (const auto& message : all) {
    if (gst_message_get_structure(message.get()) == plan) break;
    GstProgressType type = GST_PROGRESS_TYPE_START;
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_PROGRESS) {
      gst_message_parse_progress(message.get(), &type, nullptr, nullptr);
    }
    EXPECT_EQ(type, GST_PROGRESS_TYPE_START) << "the model was being loaded";
  }
}

// The statistics tell what was planned and what was used.
TEST_P(Plan, IsCounted) {
  Rig rig(GetParam(), {{"vram-budget", "3500"}});
  run(rig, Clip{});
  const auto stats = stats_of(rig);
  EXPECT_EQ(number(stats.get(), "memory-planned"), 3000);
  EXPECT_EQ(number(stats.get(), "memory-peak"), 2990);
  EXPECT_EQ(text(stats.get(), "memory-rung"), "vae-tiles");
}

// Where nothing fits there is one error with the engine's advice, nothing is loaded, and with
// another budget the element works.
TEST_P(Plan, ThatDoesNotFitIsAnErrorBeforeTheLoad) {
  Rig rig(GetParam(), {{"vram-budget", "500"}});
  rig.change(GST_STATE_PLAYING);
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto errors = rig.messages(GST_MESSAGE_ERROR);
  ASSERT_EQ(errors.size(), 1u);
  GError* error = nullptr;
  gst_message_parse_error(errors.front().get(), &error, nullptr);
  EXPECT_TRUE(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT));
  EXPECT_NE(std::string(error->message).find("vram-budget=1000"), std::string::npos)
      << error->message;
  g_error_free(error);
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(errors.front().get(), &details);
  ASSERT_NE(details, nullptr);
  EXPECT_EQ(text(details, "cause"), "out-of-memory");
  EXPECT_TRUE(fake::loads().empty());
  rig.stop();
  rig.take();
  rig.set("vram-budget", "1000");
  expect_frames(run(rig, Clip{}), Clip{});
}

// Windows that do not fit are shorter from the first one on, also those whose frames came before
// the plan, and the result is that of the shorter window: the equal parts that the engine would
// render the long one in.
TEST_P(Plan, OfShortWindowsHoldsFromTheFirstOneOn) {
  for (const char* rate : {"25/1", "0/1"}) {
    SCOPED_TRACE(rate);
    Clip clip;
    clip.first = 5;
    clip.frames = 60;
    clip.picture.rate = rate;
    std::vector<uint64_t> expected, made;
    std::vector<size_t> expected_sizes;
    {
      fake::reset();
      Rig rig(GetParam(), {{"window-frames", "8"}});
      expected = hashes_of(run(rig, clip));
      expected_sizes = window_sizes(fake::windows());
    }
    fake::reset();
    fake::behave("plan-delay=200ms");
    Rig rig(GetParam(), {{"vram-budget", "2500"}});
    made = hashes_of(run(rig, clip));
    EXPECT_EQ(window_sizes(fake::windows()), expected_sizes);
    EXPECT_EQ(made, expected);
    const auto warnings = sentences_of(rig);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings.front().find("windows of 8 frames"), std::string::npos) << warnings.front();
    EXPECT_EQ(rungs_of(rig), std::vector<std::string>{"window-12"});
  }
}

// What was cut for another reason stays cut: at discontinuities, and at the end.
TEST_P(Plan, OfShortWindowsKeepsWhereWindowsEnd) {
  fake::behave("plan-delay=200ms");
  Rig rig(GetParam(), {{"vram-budget", "2500"}});
  rig.start();
  const Clip clip{.frames = 30};
  begin(rig, clip);
  uint64_t at = 0;
  feed_frames(rig.video, clip, [&](GstBuffer* frame) {
    if (at++ == 14) GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_DISCONT);
  });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.take_buffers().size(), clip.frames);
  // On the grid of 8: 0-7, 8-13, then from the discontinuity 14-15, 16-23, 24-29.
  EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{8, 6, 2, 8, 6}));
}

// Each rung that is lowered in mid-stream is posted; windows become shorter from the next one
// on, and of that there is a warning. No frame is lost.
TEST_P(Plan, ThatChangesIsTold) {
  fake::behave("lower-rung=1");
  Rig rig(GetParam());
  const Clip clip{.frames = 100};
  expect_frames(run(rig, clip), clip);
  EXPECT_EQ(rungs_of(rig),
            (std::vector<std::string>{"whole", "vae-tiles", "window-12", "window-8"}));
  EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{16, 16, 16, 8, 8, 8, 8, 8, 8, 4}));
  EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
  const auto stats = stats_of(rig);
  EXPECT_EQ(number(stats.get(), "memory-planned"), 1000);
  EXPECT_EQ(number(stats.get(), "memory-peak"), 3990);
}

// The next start plans anew, with the windows that the properties have.
TEST_P(Plan, IsMadeAtEachStart) {
  Rig rig(GetParam(), {{"vram-budget", "2500"}});
  run(rig, Clip{});
  rig.stop();
  rig.take();
  rig.drop_messages();
  fake::reset();
  rig.set("vram-budget", "5000");
  run(rig, Clip{});
  EXPECT_EQ(rungs_of(rig), std::vector<std::string>{"whole"});
  EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{16, 16, 8}));
}

// Shorter windows make the latency of a live graph shorter.
TEST_F(ElementTest, ShortWindowsShortenTheLatency) {
  Rig rig(Mode::kLive, {{"vram-budget", "2500"}, {"render-latency", "100000000"}});
  run(rig, Clip{});
  EXPECT_EQ(rig.update_latency().least, (8 * 40 + 500 + 100) * GST_MSECOND);
}

int64_t steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The engine gets the time at which a live window is due: when its first frame has to leave.
TEST_P(Plan, GivesLiveWindowsTheirDeadline) {
  const int64_t before = steady_now();
  Rig rig(GetParam());
  run(rig, Clip{});
  const int64_t after = steady_now();
  const auto windows = fake::windows();
  ASSERT_EQ(windows.size(), 3u);
  const auto latency = static_cast<int64_t>(rig.update_latency().least);
  for (const auto& window : windows) {
    if (GetParam() == Mode::kNotLive) {
      EXPECT_FALSE(window.deadline_ns);
      continue;
    }
    ASSERT_TRUE(window.deadline_ns);
    // The clock stands at 0.
    EXPECT_GE(*window.deadline_ns, before + latency + window.times.front());
    EXPECT_LE(*window.deadline_ns, after + latency + window.times.front());
  }
}

/// What the action signal answers.
Ref<GstStructure> ask_plan(GstElement* element, guint width, guint height) {
  GstStructure* plan = nullptr;
  g_signal_emit_by_name(element, "plan-memory", width, height, &plan);
  return Ref<GstStructure>(plan);
}

// An application can ask for the plan before it starts anything: for its frames' size, and also
// where nothing fits; errors are answered, not posted.
TEST_F(ElementTest, ThePlanCanBeAskedFor) {
  Rig rig(Mode::kNotLive, {{"vram-budget", "2500"}});
  const auto plan = ask_plan(rig.element(), 0, 0);
  ASSERT_TRUE(plan);
  EXPECT_EQ(text(plan.get(), "rung"), "window-12");
  EXPECT_EQ(number(plan.get(), "frames"), 1920 * 1080 * 12);
  EXPECT_EQ(number(ask_plan(rig.element(), 640, 480).get(), "frames"), 640 * 480 * 12);
  rig.set("vram-budget", "500");
  const auto none = ask_plan(rig.element(), 0, 0);
  EXPECT_EQ(number(none.get(), "fits"), 0);
  EXPECT_NE(text(none.get(), "advice").find("vram-budget=1000"), std::string::npos);
  fake::behave("plan-failure=not-found");
  const auto failed = ask_plan(rig.element(), 0, 0);
  EXPECT_TRUE(gst_structure_has_name(failed.get(), "latentsync-error"));
  EXPECT_EQ(text(failed.get(), "cause"), "not-found");
  EXPECT_FALSE(text(failed.get(), "message").empty());
  EXPECT_TRUE(fake::loads().empty());
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

}  // namespace
}  // namespace latentsync::test
