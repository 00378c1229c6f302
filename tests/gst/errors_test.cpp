#include "tests/gst/clip.h"

#include <algorithm>
#include <thread>

namespace latentsync::test {
namespace {

/// Errors of windows are errors in live graphs, too.
const Properties kNoFallback = {{"no-fallback", "true"}};

class Errors : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Errors);

constexpr auto kComplaint = static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

struct Told {
  GQuark domain = 0;
  int code = 0;
  std::string message;
  std::string debug;
};

Told read_error(GstMessage* message) {
  GError* error = nullptr;
  gchar* debug = nullptr;
  gst_message_parse_error(message, &error, &debug);
  Told told{error->domain, error->code, error->message, debug ? debug : ""};
  g_error_free(error);
  g_free(debug);
  return told;
}

/// The one error of the rig; fails the test where there is none, or more.
Told the_error(Rig& rig) {
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto errors = rig.messages(GST_MESSAGE_ERROR);
  EXPECT_EQ(errors.size(), 1u);
  return errors.empty() ? Told{} : read_error(errors.front().get());
}

void expect_sentence(const Told& told) {
  EXPECT_GE(told.message.size(), 15u) << told.message;
  EXPECT_NE(told.message.find(' '), std::string::npos) << told.message;
  EXPECT_EQ(told.message.back(), '.') << told.message;
}

/// Each ErrorCode and the domains that people and applications may expect it in.
struct Fault {
  const char* word;
  std::vector<GQuark> domains;
};
std::vector<Fault> faults() {
  return {{"not-found", {GST_RESOURCE_ERROR}},
          {"unreadable", {GST_RESOURCE_ERROR}},
          {"damaged-file", {GST_RESOURCE_ERROR, GST_STREAM_ERROR}},
          {"foreign-model", {GST_RESOURCE_ERROR, GST_STREAM_ERROR}},
          {"unsupported", {GST_LIBRARY_ERROR, GST_STREAM_ERROR, GST_CORE_ERROR}},
          {"invalid-argument", {GST_LIBRARY_ERROR, GST_CORE_ERROR}},
          {"out-of-memory", {GST_RESOURCE_ERROR}},
          {"device", {GST_RESOURCE_ERROR}},
          {"internal", {GST_LIBRARY_ERROR, GST_CORE_ERROR}}};
}

void expect_domain(const Told& told, const Fault& fault) {
  EXPECT_NE(std::find(fault.domains.begin(), fault.domains.end(), told.domain), fault.domains.end())
      << g_quark_to_string(told.domain);
}

/// Starts and feeds; the sources must come to rest.
void try_clip(Rig& rig, const Clip& clip = {}) {
  rig.change(GST_STATE_PLAYING);
  feed(rig, clip);
}

// A model that does not load is one error, whatever the reason, with the engine's sentence and a
// domain for it; after it is repaired the same element works.
TEST_P(Errors, OfLoadingAreToldOnceAndTheElementRestarts) {
  for (const Fault& fault : faults()) {
    SCOPED_TRACE(fault.word);
    fake::reset();
    fake::behave(std::string("load-failure=") + fault.word);
    Rig rig(GetParam());
    try_clip(rig);
    const Told told = the_error(rig);
    expect_sentence(told);
    EXPECT_NE(told.message.find("The fake engine was told to fail at load()."), std::string::npos)
        << told.message;
    EXPECT_NE(told.debug.find("code "), std::string::npos) << told.debug;
    expect_domain(told, fault);
    rig.stop();
    EXPECT_EQ(rig.buffers(), 0u);
    fake::reset();
    rig.take();
    expect_frames(run(rig, Clip{}), Clip{});
    if (HasFailure()) return;
  }
}

// An application that waits at its sink gets the end of the stream though none has begun.
TEST_P(Errors, OfLoadingEndTheStream) {
  fake::reset();
  fake::behave("load-failure=not-found");
  Rig rig(GetParam());
  rig.change(GST_STATE_PLAYING);
  the_error(rig);
  EXPECT_TRUE(rig.wait_eos());
  EXPECT_EQ(rig.buffers(), 0u);
}

// Buffers that come while the error is being posted are not refused before it is on the bus: a
// source that is refused posts an error of its own, which says nothing.
TEST_P(Errors, AreOnTheBusBeforeASourceIsRefused) {
  fake::reset();
  fake::behave("load-failure=not-found");
  Rig rig(GetParam());
  struct Seen {
    Rig& rig;
    std::vector<GstFlowReturn> flows;
  } seen{rig, {}};
  const Ref<GstBus> bus(gst_element_get_bus(rig.pipeline()));
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus*, GstMessage* message, gpointer data) {
        auto& [error_rig, flows] = *static_cast<Seen*>(data);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
          // The model may fail before the pads are active; inactive ones refuse by themselves.
          for (Feeder* feeder : {&error_rig.video, &error_rig.audio}) {
            const Ref<GstPad> sink(gst_pad_get_peer(feeder->pad()));
            while (!gst_pad_is_active(sink.get())) std::this_thread::yield();
          }
          feed(error_rig, Clip{});
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          flows = {error_rig.video.flow(), error_rig.audio.flow()};
        }
        return GST_BUS_PASS;
      },
      &seen, nullptr);
  rig.change(GST_STATE_PLAYING);
  the_error(rig);
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
  EXPECT_EQ(seen.flows, std::vector<GstFlowReturn>(2, GST_FLOW_OK));
  EXPECT_TRUE(rig.video.wait_idle());
  EXPECT_TRUE(rig.audio.wait_idle());
}

// The same for what fails when the stream begins.
TEST_P(Errors, OfOpeningAreToldOnceAndTheElementRestarts) {
  for (const char* word :
       {"plan-failure=device", "open-failure=out-of-memory", "resolve-failure=invalid-argument"}) {
    SCOPED_TRACE(word);
    fake::reset();
    fake::behave(word);
    Rig rig(GetParam());
    try_clip(rig);
    expect_sentence(the_error(rig));
    rig.stop();
    fake::reset();
    rig.take();
    expect_frames(run(rig, Clip{}), Clip{});
  }
}

// A window that fails is one error; the windows before it have left, the sources come to rest, and
// the element can be started again.
TEST_P(Errors, OfAWindowAreToldOnceAndTheElementRestarts) {
  for (const Fault& fault : faults()) {
    SCOPED_TRACE(fault.word);
    fake::reset();
    fake::behave(std::string("render-failure=") + fault.word + "@1");
    Rig rig(GetParam(), kNoFallback);
    try_clip(rig);
    const Told told = the_error(rig);
    expect_sentence(told);
    EXPECT_TRUE(rig.video.wait_idle());
    EXPECT_TRUE(rig.audio.wait_idle());
    EXPECT_EQ(rig.buffers(), 16u);
    expect_domain(told, fault);
    rig.stop();
    fake::reset();
    rig.take();
    expect_frames(run(rig, Clip{}), Clip{});
    if (HasFailure()) return;
  }
}

/// An allocator whose memory cannot be copied, nor mapped unless it is READABLE, as of a device
/// that is gone.
struct LockedAllocator {
  GstAllocator parent;
  bool readable;
};
struct LockedAllocatorClass {
  GstAllocatorClass parent;
};
G_DEFINE_TYPE(LockedAllocator, locked_allocator, GST_TYPE_ALLOCATOR)

GstMemory* locked_alloc(GstAllocator* allocator, gsize size, GstAllocationParams*) {
  auto* memory = static_cast<GstMemory*>(g_malloc0(sizeof(GstMemory) + size));
  gst_memory_init(memory, GST_MEMORY_FLAG_NO_SHARE, allocator, nullptr, size, 0, 0, size);
  return memory;
}

gpointer locked_map(GstMemory* memory, gsize, GstMapFlags) {
  const bool readable = reinterpret_cast<LockedAllocator*>(memory->allocator)->readable;
  return readable ? memory + 1 : nullptr;
}

void locked_free(GstAllocator*, GstMemory* memory) { g_free(memory); }

void locked_allocator_class_init(LockedAllocatorClass* type) {
  type->parent.alloc = locked_alloc;
  type->parent.free = locked_free;
}

void locked_allocator_init(LockedAllocator* self) {
  self->parent.mem_type = "Locked";
  self->parent.mem_map = locked_map;
  self->parent.mem_unmap = [](GstMemory*) {};
  self->parent.mem_copy = [](GstMemory*, gssize, gssize) -> GstMemory* { return nullptr; };
  GST_OBJECT_FLAG_SET(self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

Ref<GstAllocator> new_locked_allocator(bool readable = false) {
  auto* allocator =
      static_cast<LockedAllocator*>(g_object_new(locked_allocator_get_type(), nullptr));
  allocator->readable = readable;
  gst_object_ref_sink(allocator);
  return Ref<GstAllocator>(GST_ALLOCATOR(allocator));
}

// Frames whose memory cannot be mapped are one error, or pass through with one warning; no hang.
TEST_P(Errors, OfMemoryThatCannotBeMappedAreToldOnce) {
  Rig rig(GetParam(), kNoFallback);
  rig.start();
  Clip clip;
  begin(rig, clip);
  const auto allocator = new_locked_allocator();
  for (const FrameSpec& spec : clip.specs()) {
    Ref<GstBuffer> frame = make_frame(clip.picture, spec);
    if (spec.number >= 20) {
      GstMemory* memory =
          gst_allocator_alloc(allocator.get(), gst_buffer_get_size(frame.get()), nullptr);
      gst_buffer_replace_all_memory(frame.get(), memory);
    }
    rig.video.push(std::move(frame));
  }
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  rig.wait_message(kComplaint);
  EXPECT_TRUE(rig.video.wait_idle());
  if (rig.messages(GST_MESSAGE_ERROR).empty()) {
    EXPECT_EQ(rig.messages(GST_MESSAGE_WARNING).size(), 1u);
    EXPECT_TRUE(rig.wait_eos());
    EXPECT_EQ(rig.buffers(), clip.frames);
  } else {
    expect_sentence(the_error(rig));
    EXPECT_LE(rig.buffers(), 20u);
  }
  rig.stop();
  take_warnings();  // GStreamer's own, of a map that fails
}

// The same where they come from a pool that is too small for a window, so that they have to be
// copied: one error.
TEST_P(Errors, OfMemoryThatCannotBeCopiedAreToldOnce) {
  Rig rig(GetParam(), kNoFallback);
  const Clip clip;
  const Ref<GstCaps> caps = caps_of(clip.picture.caps());
  GstVideoInfo info;
  gst_video_info_from_caps(&info, caps.get());
  const Ref<GstBufferPool> pool(gst_buffer_pool_new());
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, caps.get(), static_cast<guint>(info.size), 4, 4);
  gst_buffer_pool_config_set_allocator(config, new_locked_allocator().get(), nullptr);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool.get(), config));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  rig.start();
  rig.video.begin(clip.picture.caps());
  GstBuffer* frame = nullptr;
  ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool.get(), &frame, nullptr), GST_FLOW_OK);
  GST_BUFFER_PTS(frame) = 0;
  rig.video.push(Ref<GstBuffer>(frame));
  expect_sentence(the_error(rig));
  EXPECT_TRUE(rig.video.wait_idle());
  rig.stop();
  take_warnings();
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

// One error, and no crash, where a frame that someone else holds cannot be copied to be edited.
TEST_P(Errors, OfSharedFramesThatCannotBeCopiedAreToldOnce) {
  Rig rig(GetParam(), kNoFallback);
  const Clip clip;
  const auto allocator = new_locked_allocator(true);
  std::vector<Ref<GstBuffer>> held;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip, [&](GstBuffer* frame) {
    GstMemory* memory = gst_allocator_alloc(allocator.get(), gst_buffer_get_size(frame), nullptr);
    gst_buffer_replace_all_memory(frame, memory);
    held.push_back(share(frame));
  });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  const Told told = the_error(rig);
  EXPECT_NE(told.message.find("cannot be copied"), std::string::npos) << told.message;
  rig.stop();
}

// A frame that is smaller than its caps say is an error or passes through; it never crashes.
TEST_P(Errors, OfFramesThatAreTooSmallDoNotCrash) {
  Rig rig(GetParam());
  rig.start();
  Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip, [](GstBuffer* frame) { gst_buffer_set_size(frame, 100); });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  EXPECT_TRUE(rig.wait_message(kComplaint));
  EXPECT_EQ(rig.messages(kComplaint).size(), 1u);
  EXPECT_TRUE(rig.video.wait_idle());
  rig.stop();
  take_warnings();
}

/// The rig plays frames of PICTURE whose memory is SHORTER by so many bytes, to their end or error.
void play_shortened(Rig& rig, const Picture& picture, gsize shorter) {
  Clip clip;
  clip.frames = 5;
  clip.picture = picture;
  rig.start();
  rig.video.begin(picture.caps());
  rig.audio.begin(audio_caps(clip.audio_format));
  feed_frames(rig.video, clip, [shorter](GstBuffer* frame) {
    gst_buffer_set_size(frame, static_cast<gssize>(gst_buffer_get_size(frame) - shorter));
  });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
}

// A frame whose memory ends within the last row of what its GstVideoMeta describes is one error, in
// each format; one that ends with that row is whole.
TEST_P(Errors, OfFramesThatAreSmallerThanTheirMetaAreToldOnce) {
  watch(std::chrono::seconds(60));
  for (const char* format : kFormats) {
    SCOPED_TRACE(format);
    const Picture picture{format, 32, 24, "25/1", 12};
    const auto padding = static_cast<gsize>(picture.padding);
    {
      Rig rig(GetParam(), kNoFallback);
      play_shortened(rig, picture, padding + 1);
      expect_sentence(the_error(rig));
      EXPECT_EQ(rig.buffers(), 0u);
    }
    Rig rig(GetParam(), kNoFallback);
    play_shortened(rig, picture, padding);
    EXPECT_TRUE(rig.wait_eos());
    EXPECT_TRUE(rig.messages(kComplaint).empty());
    EXPECT_EQ(rig.buffers(), 5u);
    if (HasFailure()) return;
  }
}

// no-face=error says that the stream has no face, not that the element lacks something.
TEST_P(Errors, OfAFrameWithoutAFaceAreOfTheStream) {
  fake::behave("no-face=800ms-800ms");
  Rig rig(GetParam(), {{"no-face", "error"}});
  try_clip(rig);
  const Told told = the_error(rig);
  expect_sentence(told);
  EXPECT_EQ(told.domain, GST_STREAM_ERROR);
  EXPECT_NE(told.code, GST_STREAM_ERROR_NOT_IMPLEMENTED);
}

// The engine library is not there, or is none: an error that says so, at the start.
TEST_P(Errors, OfAMissingEngineAreTold) {
  const std::string engine = g_getenv("LATENTSYNC_ENGINE");
  for (const char* path : {"/nonexistent/libengine.so", "/etc/hostname"}) {
    SCOPED_TRACE(path);
    g_setenv("LATENTSYNC_ENGINE", path, TRUE);
    Rig rig(GetParam());
    rig.change(GST_STATE_PLAYING);
    const Told told = the_error(rig);
    expect_sentence(told);
    EXPECT_NE((told.message + told.debug).find(path), std::string::npos)
        << told.message << told.debug;
    rig.stop();
    g_setenv("LATENTSYNC_ENGINE", engine.c_str(), TRUE);
    rig.take();
  }
}

// A CUDA device that is not there is an error that names the way out.
TEST_P(Errors, OfAMissingDeviceAreTold) {
  Rig rig(GetParam(), {{"device", "cuda:7"}});
  try_clip(rig);
  const Told told = the_error(rig);
  EXPECT_NE(told.message.find("device=cpu"), std::string::npos) << told.message;
}

// Caps that the pads do not have are refused without a crash.
TEST_P(Errors, OfForeignCapsAreRefusals) {
  for (const char* caps : {"video/x-raw,format=GRAY8,width=32,height=24,framerate=25/1",
                           "video/x-raw,format=NV21,width=32,height=24,framerate=25/1"}) {
    Rig rig(GetParam());
    rig.start();
    rig.video.begin(caps);
    rig.audio.begin(audio_caps(AudioFormat::kF32));
    Clip clip;
    feed_frames(rig.video, clip);
    feed_samples(rig.audio, clip);
    EXPECT_TRUE(rig.video.wait_idle());
    EXPECT_EQ(rig.video.flow(), GST_FLOW_NOT_NEGOTIATED);
    rig.stop();
    take_warnings();
  }
  Rig rig(GetParam());
  rig.start();
  rig.audio.begin("audio/x-raw,format=S16LE,rate=44100,channels=2,layout=non-interleaved");
  rig.audio.push(make_audio(AudioFormat::kS16, 0, 320, 0));
  EXPECT_TRUE(rig.audio.wait_idle());
  EXPECT_EQ(rig.audio.flow(), GST_FLOW_NOT_NEGOTIATED);
}

}  // namespace
}  // namespace latentsync::test
