#include "tests/gst/cuda_stub/control.h"
#include "tests/gst/device_graph.h"

#include <algorithm>
#include <dlfcn.h>
#include <set>

/// Frames in memory of CUDA, with GStreamer's own elements before and behind.
namespace latentsync::test {
namespace {

class Cuda : public DeviceTest {};

Ran run(const DeviceGraph::Options& options) { return DeviceGraph(options).run(); }

/// Where the frames of all windows lay.
std::set<int> devices() {
  std::set<int> all;
  for (const auto& window : fake::windows()) {
    all.insert(window.devices.begin(), window.devices.end());
  }
  return all;
}

void expect_equal(const Ran& ran, const Ran& expected) {
  EXPECT_TRUE(ran.ended);
  EXPECT_EQ(ran.errors, std::vector<std::string>{});
  EXPECT_EQ(ran.pictures.size(), 40u);
  EXPECT_EQ(ran.pictures, expected.pictures);
}

/// What an application gives its elements.
void set_context(GstElement* element, GstObject* context) {
  GstContext* const message = cuda::library()->new_context(context);
  gst_element_set_context(element, message);
  gst_context_unref(message);
}

GstObject* new_context(int device) {
  GstObject* context = nullptr;
  const auto make = reinterpret_cast<GstObject* (*)(guint)>(
      dlsym(dlopen("libgstcuda-1.0.so.0", RTLD_NOW), "gst_cuda_context_new"));
  context = make(static_cast<guint>(device));
  return context;
}

class CudaFormats : public DeviceTest, public testing::WithParamInterface<const char*> {};

// Frames that stay on the GPU come out with the same pixels as frames in system memory, in every
// format, and without a copy by way of the host.
TEST_P(CudaFormats, GiveTheSamePixels) {
  const Ran expected = run(in_system_memory(GetParam()));
  fake::reset();
  const Ran ran = run(on_device(GetParam()));
  expect_equal(ran, expected);
  EXPECT_EQ(ran.warnings, std::vector<std::string>{});
  EXPECT_EQ(devices(), std::set<int>{0});
  EXPECT_EQ(cuda_stub::calls("cuMemcpy2D"), 0);
  EXPECT_EQ(cuda_stub::calls("cuMemAllocHost"), 0);
}
INSTANTIATE_TEST_SUITE_P(, CudaFormats,
                         testing::Values("NV12", "P010_10LE", "I420", "Y42B", "Y444", "YUY2",
                                         "UYVY", "RGB", "BGR", "RGBA", "BGRx", "ARGB", "GBR",
                                         "I420_10LE", "I422_10LE"),
                         [](const auto& info) { return std::string(info.param); });

// The elements around take the element's context: the device's primary one, in which the model is.
TEST_F(Cuda, NeighboursShareTheContext) {
  DeviceGraph::Options options = on_device();
  options.out = "video/x-raw(memory:CUDAMemory) ! ";
  DeviceGraph graph(options);
  const Ran ran = graph.run();
  EXPECT_TRUE(ran.ended);
  EXPECT_EQ(std::set<const void*>(ran.contexts.begin(), ran.contexts.end()).size(), 1u);
  EXPECT_NE(ran.contexts.front(), nullptr);
  EXPECT_EQ(cuda_stub::calls("cuCtxCreate"), 0);
  EXPECT_EQ(devices(), std::set<int>{0});
}

// An application's object for the primary context is used as it is.
TEST_F(Cuda, TheApplicationsContextIsAdopted) {
  DeviceGraph::Options options = on_device();
  options.out = "video/x-raw(memory:CUDAMemory) ! ";
  std::string why;
  const auto primary = cuda::PrimaryContext::open(0, why);
  ASSERT_TRUE(primary) << why;
  DeviceGraph graph(options);
  set_context(graph.get(), primary->object());
  const Ran ran = graph.run();
  EXPECT_TRUE(ran.ended);
  EXPECT_EQ(std::set<const void*>(ran.contexts.begin(), ran.contexts.end()),
            std::set<const void*>{primary->object()});
  EXPECT_EQ(devices(), std::set<int>{0});
}

// A context that a neighbour has already is used where it is the primary one.
TEST_F(Cuda, ANeighboursContextIsAdopted) {
  std::string why;
  const auto primary = cuda::PrimaryContext::open(0, why);
  ASSERT_TRUE(primary) << why;
  for (const char* neighbour : {"up", "down"}) {
    DeviceGraph::Options options = on_device();
    options.in = "cudaupload name=up ! video/x-raw(memory:CUDAMemory) ! ";
    options.out = "video/x-raw(memory:CUDAMemory) ! cudadownload name=down ! video/x-raw ! ";
    DeviceGraph graph(options);
    set_context(graph.element(neighbour).get(), primary->object());
    Ref<GstElement> l = graph.element("l");
    gst_element_set_state(l.get(), GST_STATE_READY);
    GstContext* const used = gst_element_get_context(l.get(), cuda::kContextType);
    // It was not made by the element, which would have published it.
    EXPECT_EQ(used, nullptr) << neighbour;
    if (used) gst_context_unref(used);
    EXPECT_TRUE(graph.run().ended);
    EXPECT_EQ(cuda_stub::calls("cuCtxCreate"), 0);
  }
}

// Memory of another context of the same device is copied, with a warning, never dereferenced.
TEST_F(Cuda, MemoryOfAnotherContextIsCopied) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  {
    const cuda::ContextPtr other(new_context(0));
    DeviceGraph graph(on_device());
    set_context(graph.get(), other.get());
    const Ran ran = graph.run();
    expect_equal(ran, expected);
    ASSERT_EQ(ran.warnings.size(), 1u);
    EXPECT_NE(ran.warnings[0].find("another CUDA context"), std::string::npos) << ran.warnings[0];
    EXPECT_EQ(devices(), std::set<int>{kernels::kSystemMemory});
  }
}

// So is memory of another device.
TEST_F(Cuda, MemoryOfAnotherDeviceIsCopied) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  DeviceGraph::Options options = on_device();
  options.in = "cudaupload cuda-device-id=0 ! video/x-raw(memory:CUDAMemory) ! ";
  options.out = "video/x-raw(memory:CUDAMemory) ! cudadownload cuda-device-id=0 ! video/x-raw ! ";
  options.properties = "device=cuda:1";
  const Ran ran = run(options);
  expect_equal(ran, expected);
  EXPECT_EQ(ran.warnings.size(), 1u);
  EXPECT_EQ(devices(), std::set<int>{kernels::kSystemMemory});
}

TEST_F(Cuda, TheDeviceThatIsNamedIsUsed) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  DeviceGraph::Options options = on_device();
  options.properties = "device=cuda:1";
  expect_equal(run(options), expected);
  EXPECT_EQ(devices(), std::set<int>{1});
}

// With the model on the CPU the frames go to system memory and back, with a warning.
TEST_F(Cuda, AModelOnTheCpuGetsCopies) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  DeviceGraph::Options options = on_device();
  options.properties = "device=cpu";
  const Ran ran = run(options);
  expect_equal(ran, expected);
  ASSERT_EQ(ran.warnings.size(), 1u);
  EXPECT_NE(ran.warnings[0].find("device=cuda"), std::string::npos) << ran.warnings[0];
}

// Frames in system memory are mapped there, and nothing is warned of.
TEST_F(Cuda, SystemMemoryStaysWhereItIs) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  DeviceGraph::Options options = in_system_memory();
  options.properties = "device=cuda";
  const Ran ran = run(options);
  expect_equal(ran, expected);
  EXPECT_EQ(ran.warnings, std::vector<std::string>{});
}

// Frames that another branch holds, too, are copied on the device before they are edited.
TEST_F(Cuda, SharedFramesAreCopiedOnTheDevice) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  DeviceGraph::Options options = on_device();
  options.in =
      "cudaupload ! video/x-raw(memory:CUDAMemory) ! tee name=t ! queue "
      "max-size-buffers=100 max-size-time=0 max-size-bytes=0 ! fakesink sync=false "
      "enable-last-sample=false t. ! queue max-size-buffers=4 ! ";
  expect_equal(run(options), expected);
  EXPECT_EQ(devices(), std::set<int>{0});
}

// Faded edits are mixed with the frame as it came.
TEST_F(Cuda, FadesAreTheSame) {
  const std::string silent = " silence=pass-through silence-threshold=0";
  DeviceGraph::Options options = in_system_memory();
  options.properties += silent;
  const Ran expected = run(options);
  fake::reset();
  options = on_device();
  options.properties += silent;
  expect_equal(run(options), expected);
}

/// With the device lost at frame 16, and a second run when it is there again.
void expect_one_error_of_a_lost_device(const Ran& expected) {
  fake::reset();
  DeviceGraph graph(on_device());
  graph.on_frame([](size_t number) {
    if (number == 16) cuda_stub::lose_device(0);
  });
  const Ran lost = graph.run();
  EXPECT_FALSE(lost.ended);
  // The elements around have lost it, too, and may be the first to say so.
  EXPECT_GE(lost.errors.size(), 1u);
  EXPECT_LE(lost.own_errors, 1);
  cuda_stub::restore_devices();
  graph.on_frame(nullptr);
  fake::reset();
  expect_equal(graph.run(), expected);
}

// A device that is lost while frames are being rendered: one error, and the element starts again.
TEST_F(Cuda, ALostDeviceIsOneError) { expect_one_error_of_a_lost_device(run(in_system_memory())); }

/// With the next window prepared while one is rendered.
class CudaPreparing : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    g_setenv("LATENTSYNC_PREPARE_AHEAD", "1", TRUE);
  }
  void TearDown() override {
    g_unsetenv("LATENTSYNC_PREPARE_AHEAD");
    DeviceTest::TearDown();
  }
};

// Frames in device memory are prepared ahead of time, and get the same pixels.
TEST_F(CudaPreparing, ChangesNoPixel) {
  const Ran expected = run(in_system_memory());
  fake::reset();
  fake::behave("delay=20ms");
  expect_equal(run(on_device()), expected);
  const auto windows = fake::windows();
  EXPECT_TRUE(std::any_of(windows.begin(), windows.end(), [](auto& w) { return w.prepared; }));
  EXPECT_EQ(devices(), std::set<int>{0});
}

// A frame that could not be read in device memory is never read as if it were in the machine's.
TEST_F(CudaPreparing, ALostDeviceIsOneError) {
  const Ran expected = run(in_system_memory());
  constexpr int kRuns = 8;  // where the threads are by then is another place each time
  for (int i = 0; i < kRuns; ++i) expect_one_error_of_a_lost_device(expected);
}

// Whichever call fails, an error or a copy by way of the host is all that comes of it. (A pool of
// GStreamer's that cannot be filled leaks what it has: allocations fail before there is anything.)
TEST_F(Cuda, FailingCallsAreNoCrash) {
  const std::vector<std::pair<const char*, std::vector<int>>> calls = {
      {"cuEventCreate", {0, 3, 20}},
      {"cuEventRecord", {0, 3, 20}},
      {"cuStreamWaitEvent", {0, 3, 20}},
      {"cuStreamCreate", {0, 3, 20}},
      {"cuMemAllocPitch", {0}},
      {"cuDevicePrimaryCtxRetain", {0, 1, 2}},
      {"cuInit", {0}},
      {"cuStreamSynchronize", {0, 3, 20}}};
  for (const auto& [call, skips] : calls) {
    for (const int skip : skips) {
      cuda_stub::reset();
      cuda_stub::fail(call, cuda::kOutOfMemory, skip);
      const Ran ran = run(on_device());
      EXPECT_TRUE(ran.ended || !ran.errors.empty()) << call << " after " << skip;
      EXPECT_LE(ran.own_errors, 1) << call << " after " << skip;
    }
  }
}

/// The pool that the element proposes for caps of device memory.
struct Proposed {
  Ref<GstBufferPool> pool;
  guint size = 0;
  guint least = 0;
  guint most = 0;
};
Proposed propose(GstElement* element) {
  const Ref<GstCaps> caps =
      caps_of("video/x-raw(memory:CUDAMemory),format=NV12,width=62,height=48,framerate=25/1");
  const Ref<GstQuery> query(gst_query_new_allocation(caps.get(), TRUE));
  const Ref<GstPad> pad(gst_element_get_static_pad(element, "video_sink"));
  EXPECT_TRUE(gst_pad_query(pad.get(), query.get()));
  Proposed result;
  GstBufferPool* pool = nullptr;
  gst_query_parse_nth_allocation_pool(query.get(), 0, &pool, &result.size, &result.least,
                                      &result.most);
  result.pool.reset(pool);
  EXPECT_TRUE(gst_query_find_allocation_meta(query.get(), GST_VIDEO_META_API_TYPE, nullptr));
  return result;
}

// ALLOCATION proposes a pool of the element's context with as many buffers as it holds, and the
// memory plan counts them.
TEST_F(Cuda, PoolsAreProposedAndPlannedFor) {
  guint least = 0;
  DeviceGraph graph(on_device());
  graph.on_frame([&](size_t number) {
    if (number != 0) return;
    const Proposed proposed = propose(graph.element("l").get());
    least = proposed.least;
    EXPECT_EQ(proposed.most, 0u);
    ASSERT_NE(proposed.pool, nullptr);
    EXPECT_TRUE(G_TYPE_CHECK_INSTANCE_TYPE(proposed.pool.get(), cuda::library()->pool_type()));
  });
  EXPECT_TRUE(graph.run().ended);
  EXPECT_GE(least, 34u);
  const auto requests = fake::opened();
  ASSERT_FALSE(requests.empty());
  // Rows of 512 bytes; GStreamer takes as many for the chroma as for the luma.
  EXPECT_EQ(requests.back().frame_bytes, int64_t{least} * 512 * 48 * 2);
}

// What the plan counts for frames is what they take with the rows of the driver at hand.
TEST_F(Cuda, PlannedFramesHaveTheDriversRows) {
  cuda_stub::set_pitch(2048);
  EXPECT_TRUE(DeviceGraph(on_device()).run().ended);
  const auto requests = fake::opened();
  ASSERT_FALSE(requests.empty());
  const int64_t frame = int64_t{2048} * 48 * 2;
  EXPECT_GE(requests.back().frame_bytes, 34 * frame);
  EXPECT_EQ(requests.back().frame_bytes % frame, 0);
}

TEST_F(Cuda, FramesInSystemMemoryAreNotPlannedFor) {
  DeviceGraph::Options options = in_system_memory();
  options.properties = "device=cuda";
  EXPECT_TRUE(run(options).ended);
  for (const auto& request : fake::opened()) EXPECT_EQ(request.frame_bytes, 0);
}

// The element itself waits for the device at most once a window; where memory has streams, never.
TEST_F(Cuda, AWindowIsWaitedForOnce) {
  DeviceGraph::Options options = on_device();
  options.out = "video/x-raw(memory:CUDAMemory) ! ";
  const auto waits = [&](int frames) {
    cuda_stub::reset();
    fake::reset();
    options.frames = frames;
    EXPECT_TRUE(run(options).ended);
    // The engine waits for each frame's hash three times and for its mark once; the upload and the
    // sink's look at the frame wait once each.
    return cuda_stub::calls("wait") - 6 * frames;
  };
  EXPECT_LE(waits(48) - waits(16), 2);
}

}  // namespace
}  // namespace latentsync::test
