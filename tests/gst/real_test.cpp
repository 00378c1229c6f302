#include "core/engine.h"
#include "tests/gst/fake_picture.h"
#include "tests/gst/process.h"
#include "tests/gst/support.h"
#include "tests/support/temporary_folder.h"

#include <atomic>
#include <dlfcn.h>
#include <fstream>
#include <gst/check/gsttestclock.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// The element with the real engine and the demo model, on the first frames of the sample clip.
namespace latentsync::test {
namespace {

constexpr int kWidth = 288;
constexpr int kHeight = 288;
constexpr size_t kFrames = 20;  // a window and a tail

/// Where the lower half of the face is in these frames: parts of the width and height.
constexpr double kFaceLeft = 0.20;
constexpr double kFaceRight = 0.80;
constexpr double kFaceTop = 0.55;
constexpr double kFaceBottom = 1.00;

struct Frame {
  GstClockTime pts;
  GstClockTime duration;
  std::vector<uint8_t> pixels;
};

class RealEngine : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    g_setenv("LATENTSYNC_ENGINE", LATENTSYNC_REAL_ENGINE, TRUE);
    folder_ = std::make_unique<TemporaryFolder>();
    const std::string media = LATENTSYNC_SOURCE_ROOT "/examples/media/";
    const std::string size = std::to_string(kWidth) + ":" + std::to_string(kHeight);
    make("ffmpeg -v error -y -i " + media + "grid_drp-m.mp4 -an -vf scale=" + size + " -frames:v " +
         std::to_string(kFrames) + " -pix_fmt yuv420p -c:v ffv1 " + file("in.mkv"));
    make("ffmpeg -v error -y -i " + media + "demo1_audio.wav -t 1 " + file("speech.wav"));
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override {
    watch(std::chrono::seconds(120));
    take_warnings();
  }
  void TearDown() override { EXPECT_EQ(take_warnings(), std::vector<std::string>{}); }

  static std::string file(const std::string& name) { return (*folder_ / name).string(); }
  static void make(const std::string& command) {
    const Finished made = run_process(command);
    ASSERT_EQ(made.status, 0) << command << "\n" << made.output;
  }

  static std::string element() {  // a quarter of the model's own pixels: seconds, not minutes
    return "latentsync name=l device=cpu inference-steps=2 resolution=128 "
           "model-path=" LATENTSYNC_SOURCE_ROOT "/models/demo";
  }
  /// The clip and its speech into the element, with these queues.
  static std::string sources(const std::string& video_queue, const std::string& audio_queue) {
    return " filesrc location=" + file("in.mkv") + " ! matroskademux ! avdec_ffv1 ! " +
           video_queue + " ! l.video_sink filesrc location=" + file("speech.wav") +
           " ! wavparse ! audioconvert ! audioresample ! " + audio_queue + " ! l.audio_sink";
  }

  /// Runs a pipeline whose sink is called "out" and keeps its frames; with SEEK it goes back to the
  /// start, flushing, when the first frames have come.
  static std::vector<Frame> run(const std::string& line, bool seek = false);

  static std::unique_ptr<TemporaryFolder> folder_;
};
std::unique_ptr<TemporaryFolder> RealEngine::folder_;

struct Collector {
  std::mutex mutex;
  std::vector<Frame> frames;
};

GstPadProbeReturn collect(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* collector = static_cast<Collector*>(data);
  const std::lock_guard lock(collector->mutex);
  if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    std::vector<uint8_t> pixels(gst_buffer_get_size(buffer));
    gst_buffer_extract(buffer, 0, pixels.data(), pixels.size());
    collector->frames.push_back(
        {GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer), std::move(pixels)});
  } else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_STOP) {
    collector->frames.clear();
  }
  return GST_PAD_PROBE_OK;
}

std::vector<Frame> RealEngine::run(const std::string& line, bool seek) {
  GError* problem = nullptr;
  const Ref<GstElement> pipeline(
      GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &problem))));
  EXPECT_EQ(problem, nullptr) << line;
  g_clear_error(&problem);
  Collector collector;
  {
    const Ref<GstElement> sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "out"));
    const Ref<GstPad> pad(gst_element_get_static_pad(sink.get(), "sink"));
    constexpr auto kinds =
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_FLUSH);
    gst_pad_add_probe(pad.get(), kinds, collect, &collector, nullptr);
  }
  const Ref<GstBus> bus(gst_element_get_bus(pipeline.get()));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  if (seek) {
    for (bool some = false; !some;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const std::lock_guard lock(collector.mutex);
      some = collector.frames.size() >= 3;
    }
    EXPECT_TRUE(gst_element_seek_simple(
        pipeline.get(), GST_FORMAT_TIME,
        static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE), 0));
  }
  const Ref<GstMessage> end(
      gst_bus_timed_pop_filtered(bus.get(), GST_CLOCK_TIME_NONE,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  if (GST_MESSAGE_TYPE(end.get()) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(end.get(), &problem, nullptr);
    ADD_FAILURE() << problem->message;
    g_clear_error(&problem);
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return std::move(collector.frames);
}

/// Whether a byte of an I420 frame without padding lies in the face's rectangle.
bool in_face(size_t at) {
  size_t width = kWidth;
  size_t height = kHeight;
  if (at >= width * height) {
    at = (at - width * height) % (width * height / 4);
    width /= 2;
    height /= 2;
  }
  const double x = (static_cast<double>(at % width) + 0.5) / static_cast<double>(width);
  const double y = (static_cast<double>(at / width) + 0.5) / static_cast<double>(height);
  return x > kFaceLeft && x < kFaceRight && y > kFaceTop && y < kFaceBottom;
}

/// As many frames with the same times; each is edited, and nowhere but in the face's rectangle.
void expect_edited_faces(const std::vector<Frame>& outputs, const std::vector<Frame>& inputs) {
  ASSERT_EQ(outputs.size(), inputs.size());
  for (size_t index = 0; index < inputs.size(); ++index) {
    const Frame& in = inputs[index];
    const Frame& out = outputs[index];
    EXPECT_EQ(out.pts, in.pts);
    EXPECT_EQ(out.duration, in.duration);
    ASSERT_EQ(out.pixels.size(), in.pixels.size());
    size_t inside = 0;
    size_t outside = 0;
    for (size_t at = 0; at < in.pixels.size(); ++at) {
      if (in.pixels[at] != out.pixels[at]) ++(in_face(at) ? inside : outside);
    }
    EXPECT_EQ(outside, 0u) << "frame " << index;
    EXPECT_GT(inside, 500u) << "frame " << index;
  }
}

void expect_same(const std::vector<Frame>& made, const std::vector<Frame>& expected) {
  ASSERT_EQ(made.size(), expected.size());
  for (size_t index = 0; index < made.size(); ++index) {
    EXPECT_EQ(made[index].pts, expected[index].pts);
    EXPECT_TRUE(made[index].pixels == expected[index].pixels) << "frame " << index;
  }
}

// The clip through gst-launch into a lossless file: as many frames with the same times, each
// edited in the face and bit-identical everywhere else.
TEST_F(RealEngine, EditsFacesAndNothingElse) {
  const Finished launched =
      run_process("gst-launch-1.0 -q " + element() +
                  " ! avenc_ffv1 ! matroskamux ! filesink location=" + file("out.mkv") +
                  sources("queue", "queue"));
  ASSERT_EQ(launched.status, 0) << launched.output;
  const auto decode = [](const std::string& name) {
    return run("filesrc location=" + name +
               " ! matroskademux ! avdec_ffv1 ! fakesink name=out sync=false");
  };
  const std::vector<Frame> inputs = decode(file("in.mkv"));
  ASSERT_EQ(inputs.size(), kFrames);
  expect_edited_faces(decode(file("out.mkv")), inputs);
}

// The same bytes for one run, one with other queues, and one that goes back to the start.
TEST_F(RealEngine, GivesTheSameBytesWhateverTheBuffering) {
  const std::string sink = " ! fakesink name=out sync=false ";
  const std::vector<Frame> expected = run(element() + sink + sources("queue", "queue"));
  ASSERT_EQ(expected.size(), kFrames);
  expect_same(
      run(element() + sink +
          sources("queue max-size-buffers=2 max-size-time=0 max-size-bytes=0",
                  "audiobuffersplit output-buffer-duration=7/1000 ! queue max-size-buffers=3")),
      expected);
  expect_same(
      run(element() + sink + sources("queue max-size-buffers=37", "queue max-size-buffers=1"),
          true),
      expected);
}

/// Windows whose preparation ahead of time has ended well, while it lives: by the element's log.
class PreparedWindows {
 public:
  PreparedWindows() {
    gst_debug_set_threshold_for_name("latentsync", GST_LEVEL_DEBUG);
    gst_debug_remove_log_function(gst_debug_log_default);
    gst_debug_add_log_function(look, &count_, nullptr);
  }
  ~PreparedWindows() {
    gst_debug_remove_log_function(look);
    gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
    gst_debug_unset_threshold_for_name("latentsync");
  }
  int count() const { return count_; }

 private:
  static void look(GstDebugCategory*, GstDebugLevel, const gchar*, const gchar*, gint, GObject*,
                   GstDebugMessage* message, gpointer data) {
    if (std::string(gst_debug_message_get(message)) == "the next window is prepared") {
      ++*static_cast<std::atomic<int>*>(data);
    }
  }
  std::atomic<int> count_ = 0;
};

// The same bytes whether windows are prepared ahead of time or not, with either audio context.
TEST_F(RealEngine, GivesTheSameBytesWherePreparedAhead) {
  for (const std::string context : {"sliding", "whole"}) {
    const std::string line = element() + " window-frames=4 audio-context=" + context +
                             " ! fakesink name=out sync=false " + sources("queue", "queue");
    std::vector<Frame> made[2];
    for (const bool ahead : {false, true}) {
      g_setenv("LATENTSYNC_PREPARE_AHEAD", ahead ? "1" : "0", TRUE);
      const PreparedWindows prepared;
      made[ahead] = run(line);
      EXPECT_EQ(prepared.count() > 0, ahead);
    }
    g_unsetenv("LATENTSYNC_PREPARE_AHEAD");
    ASSERT_EQ(made[0].size(), kFrames);
    expect_same(made[1], made[0]);
  }
}

/// A pipeline with an element that is called "l" and gets the clip's frames and silence from the
/// test: as much as it is fed, as soon as it comes.
class FedPipeline {
 public:
  /// PROPERTIES of the element. LIVE: as from a camera, at a clock that stands still, so that no
  /// deadline passes.
  FedPipeline(const std::string& properties, bool live) {
    const std::string source =
        " appsrc format=time is-live=" + std::string(live ? "true" : "false");
    const std::string line =
        "latentsync name=l " + properties + " ! fakesink sync=false async=false" + source +
        " name=video caps=video/x-raw,format=I420,width=" + std::to_string(kWidth) +
        ",height=" + std::to_string(kHeight) + ",framerate=25/1 ! l.video_sink" + source +
        " name=audio caps=audio/x-raw,format=S16LE,layout=interleaved,"
        "rate=16000,channels=1 ! l.audio_sink";
    GError* problem = nullptr;
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &problem))));
    EXPECT_EQ(problem, nullptr) << line;
    g_clear_error(&problem);
    if (live) gst_pipeline_use_clock(GST_PIPELINE(pipeline_.get()), clock_.get());
    bus_.reset(gst_element_get_bus(pipeline_.get()));
  }
  ~FedPipeline() { stop(); }

  void play() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }
  void stop() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  void set(const char* property, int value) {
    g_object_set(element("l").get(), property, value, nullptr);
  }

  /// A second of silence.
  void feed_audio() { push("audio", std::vector<uint8_t>(2 * 16000), 0, GST_SECOND); }
  /// FRAMES from number BEGIN up to END.
  void feed(const std::vector<Frame>& frames, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      push("video", frames[i].pixels, frames[i].pts, frames[i].duration);
    }
  }
  void end() {
    for (const char* source : {"audio", "video"}) {
      GstFlowReturn flow = GST_FLOW_OK;
      g_signal_emit_by_name(element(source).get(), "end-of-stream", &flow);
    }
  }

  /// The next message of the element with this name; EOS and errors are the last.
  Ref<GstMessage> wait_for(const char* name) {
    for (;;) {
      Ref<GstMessage> message(gst_bus_timed_pop_filtered(
          bus_.get(), GST_CLOCK_TIME_NONE,
          static_cast<GstMessageType>(GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
      if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR) {
        GError* problem = nullptr;
        gst_message_parse_error(message.get(), &problem, nullptr);
        ADD_FAILURE() << problem->message;
        g_clear_error(&problem);
        return nullptr;
      }
      if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS) return nullptr;
      if (gst_message_has_name(message.get(), name)) return message;
    }
  }

  Ref<GstStructure> stats() const {
    GstStructure* stats = nullptr;
    g_object_get(element("l").get(), "stats", &stats, nullptr);
    return Ref<GstStructure>(stats);
  }

 private:
  Ref<GstElement> element(const char* name) const {
    return Ref<GstElement>(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }
  void push(const char* source, const std::vector<uint8_t>& bytes, GstClockTime pts,
            GstClockTime duration) {
    const Ref<GstBuffer> buffer(gst_buffer_new_memdup(bytes.data(), bytes.size()));
    GST_BUFFER_PTS(buffer.get()) = pts;
    GST_BUFFER_DURATION(buffer.get()) = duration;
    GstFlowReturn flow = GST_FLOW_OK;
    g_signal_emit_by_name(element(source).get(), "push-buffer", buffer.get(), &flow);
    EXPECT_EQ(flow, GST_FLOW_OK);
  }

  const Ref<GstClock> clock_{gst_test_clock_new()};
  Ref<GstElement> pipeline_;
  Ref<GstBus> bus_;
};

std::string text(const GstStructure* structure, const char* field) {
  const char* value = gst_structure_get_string(structure, field);
  return value ? value : "";
}

int64_t number(const GstStructure* structure, const char* field) {
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get(structure, field, G_TYPE_UINT64, &value, nullptr)) << field;
  return static_cast<int64_t>(value);
}

/// The engine that the elements of this process use.
Engine& engine_in_use() {
  void* const library = dlopen(LATENTSYNC_REAL_ENGINE, RTLD_NOW | RTLD_LOCAL);
  return *reinterpret_cast<EngineEntry>(dlsym(library, kEngineEntry))(kEngineVersion);
}

const ModelSettings kDemo{.folder = LATENTSYNC_SOURCE_ROOT "/models/demo", .device = "cpu"};

/// Bytes of the rungs for windows of so many frames, from the first to the last.
std::vector<int64_t> rung_bytes(int64_t window_frames, int64_t steps) {
  const auto plan = engine_in_use().plan({.model = kDemo,
                                          .settings = {.inference_steps = steps, .resolution = 128},
                                          .window_frames = window_frames,
                                          .width = kWidth,
                                          .height = kHeight});
  EXPECT_TRUE(plan);
  std::vector<int64_t> bytes;
  for (const auto& rung : plan->ladder) bytes.push_back(rung.peak);
  return bytes;
}

/// The next step that is told of a window with so many.
int64_t step_of(FedPipeline& pipeline, int all) {
  for (;;) {
    gint step = 0, steps = 0;
    const auto message = pipeline.wait_for("latentsync-progress");
    if (!message) return all;
    const GstStructure* progress = gst_message_get_structure(message.get());
    EXPECT_TRUE(gst_structure_get_int(progress, "step", &step));
    EXPECT_TRUE(gst_structure_get_int(progress, "steps", &steps));
    if (steps == all) return step;
  }
}

// Two elements with two budgets: one in a window of a thousand steps, the other one live. They have
// one model; each keeps its budget; the live one's windows do not wait for that window to end, and
// it goes on beside them.
TEST_F(RealEngine, TwoElementsShareADevice) {
  constexpr int kManySteps = 999;
  constexpr int64_t kMiB = 1 << 20;
  const std::vector<Frame> frames =
      run("filesrc location=" + file("in.mkv") +
          " ! matroskademux ! avdec_ffv1 ! fakesink name=out sync=false");
  ASSERT_EQ(frames.size(), kFrames);
  const auto properties = [](int window_frames, int64_t mebibytes) {
    return "device=cpu resolution=128 inference-steps=2 model-path=" LATENTSYNC_SOURCE_ROOT
           "/models/demo window-frames=" +
           std::to_string(window_frames) + " vram-budget=" + std::to_string(mebibytes);
  };
  const int64_t less = rung_bytes(5, kManySteps).back() / kMiB + 1;
  const int64_t more = rung_bytes(4, 2).front() / kMiB + 1;
  ASSERT_LT(less * kMiB, rung_bytes(5, 2).front());

  FedPipeline slow(properties(5, less), false);
  slow.play();
  slow.feed_audio();
  slow.feed(frames, 0, 10);
  ASSERT_TRUE(slow.wait_for("latentsync-window"));
  slow.set("inference-steps", kManySteps);
  slow.feed(frames, 10, kFrames);
  slow.end();
  const auto step = step_of(slow, kManySteps);
  const auto windows = number(slow.stats().get(), "windows");

  FedPipeline live(properties(4, more), true);
  live.play();
  live.feed_audio();
  live.feed(frames, 0, 12);
  live.end();
  for (int window = 0; window < 3; ++window) ASSERT_TRUE(live.wait_for("latentsync-window"));
  while (step_of(slow, kManySteps) <= step) {
  }
  EXPECT_EQ(number(slow.stats().get(), "windows"), windows) << "its window had ended";
  {
    auto model = engine_in_use().load(kDemo);
    ASSERT_TRUE(model);
    EXPECT_GE(model->use_count(), 5) << "this one, and each element and its session";
  }
  EXPECT_LE(number(slow.stats().get(), "memory-peak"), less);
  EXPECT_LE(number(live.stats().get(), "memory-peak"), more);
  EXPECT_NE(text(slow.stats().get(), "memory-rung"), "whole");
  EXPECT_EQ(text(live.stats().get(), "memory-rung"), "whole");
}

}  // namespace
}  // namespace latentsync::test
