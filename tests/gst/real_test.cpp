#include "tests/gst/fake_picture.h"
#include "tests/gst/process.h"
#include "tests/gst/support.h"
#include "tests/support/temporary_folder.h"

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

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

}  // namespace
}  // namespace latentsync::test
