#include "tests/gst/device_graph.h"

#include "tests/gst/cuda_stub/control.h"
#include "tests/gst/fake_picture.h"
#include "tests/gst/told.h"

#include <dlfcn.h>
#include <gst/video/video.h>
#include <stdexcept>

namespace latentsync::test {
namespace {

constexpr char kCudaCaps[] = "video/x-raw(memory:CUDAMemory)";

/// Of the visible bytes, wherever they lie.
uint64_t hash_of(GstBuffer* buffer, const GstVideoInfo& format) {
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &format, buffer, GST_MAP_READ)) return 0;
  fake::Hash hash;
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++c) {
    const auto plane = static_cast<guint>(GST_VIDEO_FRAME_COMP_PLANE(&frame, c));
    // Components that share a plane have the same rows.
    if (GST_VIDEO_FRAME_COMP_POFFSET(&frame, c) != 0) continue;
    const auto bytes = static_cast<size_t>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, c) *
                                           GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c));
    for (int row = 0; row < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c); ++row) {
      hash.add(static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane)) +
                   row * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane),
               bytes);
    }
  }
  gst_video_frame_unmap(&frame);
  return hash.value();
}

const void* context_of(GstBuffer* buffer) {
  GstMemory* const memory = gst_buffer_peek_memory(buffer, 0);
  if (!gst_memory_is_type(memory, cuda::kMemoryType)) return nullptr;
  return reinterpret_cast<cuda::Memory*>(memory)->context;
}

}  // namespace

void DeviceTest::SetUpTestSuite() {
  // GStreamer's plugin registers its elements where this library is found.
  if (!dlopen(LATENTSYNC_NVCUVID, RTLD_NOW | RTLD_GLOBAL)) throw std::runtime_error(dlerror());
  GstPlugin* const known = gst_registry_find_plugin(gst_registry_get(), "nvcodec");
  ASSERT_NE(known, nullptr) << "install gstreamer1.0-plugins-bad";
  GstPlugin* const loaded = gst_plugin_load(known);
  ASSERT_NE(loaded, nullptr);
  gst_object_unref(loaded);
  gst_object_unref(known);
}

void DeviceTest::SetUp() {
  ElementTest::SetUp();
  cuda_stub::reset();
}

void DeviceTest::TearDown() {
  EXPECT_EQ(cuda_stub::violations(), std::vector<std::string>{});
  const cuda_stub::Live live = cuda_stub::live();
  EXPECT_EQ(live.contexts, 0);
  EXPECT_EQ(live.retained, 0);
  EXPECT_EQ(live.streams, 0);
  EXPECT_EQ(live.events, 0);
  EXPECT_EQ(live.allocations, 0);
  EXPECT_EQ(live.host_allocations, 0);
  ElementTest::TearDown();
}

DeviceGraph::DeviceGraph(const Options& options) {
  const std::string line =
      "latentsync name=l model-path=fake: " + options.properties + " ! " + options.out +
      " fakesink name=out signal-handoffs=true sync=false videotestsrc num-buffers=" +
      std::to_string(options.frames) + " pattern=ball ! video/x-raw,format=" + options.format +
      ",width=62,height=48,framerate=25/1 ! " + options.in +
      " l.video_sink audiotestsrc num-buffers=80 samplesperbuffer=1024 ! l.audio_sink";
  GError* error = nullptr;
  GstElement* const made = gst_parse_launch(line.c_str(), &error);
  if (made) pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(made)));
  if (error) {
    const std::string text = line + ": " + error->message;
    g_error_free(error);
    throw std::runtime_error(text);
  }
  g_signal_connect(element("out").get(), "handoff", G_CALLBACK(look), this);
}

DeviceGraph::~DeviceGraph() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }

Ref<GstElement> DeviceGraph::element(const char* name) const {
  return Ref<GstElement>(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
}

void DeviceGraph::look(GstElement*, GstBuffer* buffer, GstPad* pad, gpointer self) {
  auto& graph = *static_cast<DeviceGraph*>(self);
  const Ref<GstCaps> caps(gst_pad_get_current_caps(pad));
  GstVideoInfo format;
  gst_video_info_from_caps(&format, caps.get());
  graph.ran_.pictures.push_back(hash_of(buffer, format));
  graph.ran_.contexts.push_back(context_of(buffer));
  if (graph.on_frame_) graph.on_frame_(graph.ran_.pictures.size() - 1);
}

void DeviceGraph::keep_error(GstMessage* message) {
  ran_.errors.push_back(sentence_of(message));
  ran_.own_errors += GST_MESSAGE_SRC(message) == GST_OBJECT(element("l").get());
}

Ran DeviceGraph::run() {
  ran_ = {};
  const Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  for (bool over = false; !over;) {
    const Ref<GstMessage> message(gst_bus_timed_pop_filtered(
        bus.get(), GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)));
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_WARNING:
        ran_.warnings.push_back(sentence_of(message.get()));
        break;
      case GST_MESSAGE_ERROR:
        keep_error(message.get());
        over = true;
        break;
      default:
        ran_.ended = over = true;
    }
  }
  // A second error would be behind the first one.
  while (const auto message = Ref<GstMessage>(
             gst_bus_timed_pop_filtered(bus.get(), 50 * GST_MSECOND, GST_MESSAGE_ERROR))) {
    keep_error(message.get());
  }
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  return std::move(ran_);
}

DeviceGraph::Options on_device(const std::string& format) {
  return {.format = format,
          .in = std::string("cudaupload ! ") + kCudaCaps + " ! ",
          .out = std::string(kCudaCaps) + " ! cudadownload ! video/x-raw ! "};
}

DeviceGraph::Options in_system_memory(const std::string& format) {
  return {.format = format, .in = "", .out = "", .properties = "device=cpu"};
}

}  // namespace latentsync::test
