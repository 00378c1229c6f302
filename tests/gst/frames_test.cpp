#include "tests/gst/clip.h"

#include <set>

namespace latentsync::test {
namespace {

class Frames : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Frames);

// As many frames come out as went in, as they were but for the edit, for each length of a clip from
// less than a window to several and a rest.
TEST_P(Frames, OutAreFramesInForEachLength) {
  for (uint64_t frames = 1; frames <= 40; ++frames) {
    SCOPED_TRACE(frames);
    Rig rig(GetParam());
    Clip clip;
    clip.frames = frames;
    clip.with_metas = true;
    expect_frames(run(rig, clip), clip);
    if (HasFailure()) return;
  }
}

// The same for each size of a window, with clips that end just before, with and after one.
TEST_P(Frames, OutAreFramesInForEachWindowSize) {
  watch(std::chrono::seconds(60));
  for (uint64_t window = 1; window <= 24; ++window) {
    for (const uint64_t frames :
         std::set<uint64_t>{1, window - 1, window, window + 1, 2 * window + 1}) {
      if (frames == 0) continue;
      SCOPED_TRACE(std::to_string(frames) + " frames, windows of " + std::to_string(window));
      fake::reset();
      Rig rig(GetParam(), {{"window-frames", std::to_string(window)}});
      Clip clip;
      clip.frames = frames;
      expect_frames(run(rig, clip), clip);
      std::vector<size_t> expected(frames / window, window);
      if (frames % window > 0) expected.push_back(frames % window);
      EXPECT_EQ(window_sizes(fake::windows()), expected);
      if (HasFailure()) return;
    }
  }
}

// A GAP event that only tells how far a stream is, without a length, leaves as it came: it is no
// gap up to the segment's end.
TEST_P(Frames, GapsWithoutALengthAreNoGaps) {
  Rig rig(GetParam());
  const Clip clip;
  GstSegment ends;
  gst_segment_init(&ends, GST_FORMAT_TIME);
  ends.stop = 10 * GST_SECOND;
  rig.start();
  rig.video.begin(clip.picture.caps(), &ends);
  rig.audio.begin(audio_caps(clip.audio_format), &ends);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  const std::vector<GstClockTime> lengths = {0, GST_CLOCK_TIME_NONE};
  for (size_t i = 0; i < lengths.size(); ++i) {
    rig.video.gap((5 + i) * GST_SECOND, lengths[i]);
    rig.audio.gap((5 + i) * GST_SECOND, lengths[i]);
  }
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  std::vector<Ref<GstBuffer>> frames;
  std::vector<GstClockTime> found;
  for (Output& output : rig.take()) {
    if (output.buffer) frames.push_back(std::move(output.buffer));
    if (!output.event || GST_EVENT_TYPE(output.event.get()) != GST_EVENT_GAP) continue;
    found.emplace_back();
    gst_event_parse_gap(output.event.get(), nullptr, &found.back());
  }
  expect_frames(frames, clip);
  EXPECT_EQ(found, lengths);
}

// Frames without a face leave as the very buffers that came, in whole windows and among edited
// ones; edited ones that nobody shares too.
TEST_P(Frames, KeepTheirBuffer) {
  fake::behave("no-face=120ms-360ms,no-face=640ms-1279ms");
  Rig rig(GetParam());
  const Clip clip;
  const auto outputs = run(rig, clip);
  expect_frames(outputs, clip.picture, clip.specs(), [](size_t index) {
    const size_t ms = index * 40;
    const bool none = (ms >= 120 && ms <= 360) || (ms >= 640 && ms <= 1279);
    return none ? Edit::kUntouched : Edit::kEdited;
  });
  for (size_t index = 0; index < outputs.size(); ++index) {
    EXPECT_EQ(frame_identity(outputs[index].get()), index)
        << "frame " << index << " is another buffer";
  }
}

// A frame that someone else holds is copied before it is edited, and not where it is not edited.
TEST_P(Frames, AreCopiedOnlyWhenSharedAndEdited) {
  fake::behave("no-face=0ms-400ms");
  Rig rig(GetParam());
  Clip clip;
  clip.with_metas = true;
  std::vector<Ref<GstBuffer>> held;
  rig.start();
  begin(rig, clip);
  feed_frames(rig.video, clip, [&](GstBuffer* frame) { held.push_back(share(frame)); });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  const auto outputs = rig.take_buffers();
  const auto edit = [](size_t index) { return index <= 10 ? Edit::kUntouched : Edit::kEdited; };
  expect_frames(outputs, clip.picture, clip.specs(), edit);
  expect_frames(held, clip, Edit::kUntouched);
  for (size_t index = 0; index < outputs.size(); ++index) {
    EXPECT_EQ(outputs[index] == held[index], edit(index) == Edit::kUntouched) << "frame " << index;
  }
}

// A frame whose memory alone is shared keeps the other holder's pixels as they were.
TEST_P(Frames, DoNotWriteToSharedMemory) {
  Rig rig(GetParam());
  const Clip clip;
  std::vector<Ref<GstBuffer>> held;
  rig.start();
  begin(rig, clip);
  // A shallow copy: another buffer, the same memory.
  feed_frames(rig.video, clip,
              [&](GstBuffer* frame) { held.emplace_back(gst_buffer_copy(frame)); });
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
  ASSERT_TRUE(rig.wait_eos());
  expect_frames(rig.take_buffers(), clip);
  const auto specs = clip.specs();
  ASSERT_EQ(held.size(), specs.size());
  for (size_t index = 0; index < held.size(); ++index) {
    EXPECT_EQ(bytes_of(held[index].get()), bytes_of(make_frame(clip.picture, specs[index]).get()));
  }
}

struct Shape {
  int width;
  int height;
  int padding;
};

// Nothing but the edited area changes, in each format, with odd sizes, rows of any length, and
// pictures of one pixel.
TEST_P(Frames, AreBitIdenticalOutsideTheEditInEachFormat) {
  watch(std::chrono::seconds(60));
  for (const char* format : kFormats) {
    for (const Shape shape :
         {Shape{1, 1, 0}, {3, 5, 0}, {17, 31, 0}, {64, 48, 0}, {33, 18, 12}, {16, 16, 64}}) {
      SCOPED_TRACE(std::string(format) + " " + std::to_string(shape.width) + "x" +
                   std::to_string(shape.height) + " + " + std::to_string(shape.padding));
      Rig rig(GetParam());
      Clip clip;
      clip.frames = 5;
      clip.picture = {format, shape.width, shape.height, "25/1", shape.padding};
      expect_frames(run(rig, clip), clip);
      if (HasFailure()) return;
    }
  }
}

// The engine is told which frames hold two fields, and which of these is shown first.
TEST_P(Frames, TellOfTheirFields) {
  using kernels::Scan;
  struct Case {
    std::string caps;
    guint flags;
    Scan scan;
  };
  const std::string interleaved = ",interlace-mode=interleaved";
  const std::string mixed = ",interlace-mode=mixed";
  const guint top = GST_VIDEO_BUFFER_FLAG_TFF;
  const guint two = GST_VIDEO_BUFFER_FLAG_INTERLACED;
  for (const Case& one :
       {Case{"", 0, Scan::kProgressive},
        {",interlace-mode=progressive", 0, Scan::kProgressive},
        {interleaved + ",field-order=top-field-first", 0, Scan::kTopFieldFirst},
        {interleaved + ",field-order=bottom-field-first", 0, Scan::kBottomFieldFirst},
        {interleaved, top, Scan::kTopFieldFirst},
        {interleaved, 0, Scan::kBottomFieldFirst},
        {mixed, 0, Scan::kProgressive},
        {mixed, top | two, Scan::kTopFieldFirst},
        {mixed, two, Scan::kBottomFieldFirst}}) {
    SCOPED_TRACE(one.caps + " " + std::to_string(one.flags));
    fake::reset();
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 5;
    clip.picture.rate += one.caps;
    rig.start();
    begin(rig, clip);
    feed_frames(rig.video, clip, [&](GstBuffer* frame) { GST_BUFFER_FLAG_SET(frame, one.flags); });
    feed_samples(rig.audio, clip);
    rig.video.eos();
    rig.audio.eos();
    ASSERT_TRUE(rig.wait_eos());
    const auto windows = fake::windows();
    ASSERT_EQ(windows.size(), 1u);
    EXPECT_EQ(windows[0].scans, std::vector<Scan>(5, one.scan));
  }
}

// Very wide, very high and 4K pictures go through.
TEST_P(Frames, MayBeHuge) {
  for (const Shape shape : {Shape{16384, 2, 0}, {2, 16384, 0}, {4097, 2161, 0}}) {
    SCOPED_TRACE(shape.width);
    Rig rig(GetParam());
    Clip clip;
    clip.frames = 2;
    clip.picture.width = shape.width;
    clip.picture.height = shape.height;
    expect_frames(run(rig, clip), clip);
  }
}

// A source whose pool has fewer buffers than a window does not starve.
TEST_P(Frames, OfASmallPoolDoNotStarveTheSource) {
  Rig rig(GetParam());
  const Clip clip;
  GstVideoInfo info;
  gst_video_info_from_caps(&info, caps_of(clip.picture.caps()).get());
  GstBufferPool* pool = gst_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps_of(clip.picture.caps()).get(),
                                    static_cast<guint>(info.size), 4, 4);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool, config));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool, TRUE));
  rig.start();
  begin(rig, clip);
  feed_samples(rig.audio, clip);
  rig.audio.eos();
  for (const FrameSpec& spec : clip.specs()) {
    GstBuffer* frame = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool, &frame, nullptr), GST_FLOW_OK);
    const std::vector<uint8_t> pixels = bytes_of(make_frame(clip.picture, spec).get());
    gst_buffer_fill(frame, 0, pixels.data(), pixels.size());
    GST_BUFFER_PTS(frame) = spec.pts;
    GST_BUFFER_DURATION(frame) = spec.duration;
    rig.video.push(Ref<GstBuffer>(frame));
    // The sink is done with what it has.
    for (const auto& done : rig.take_buffers())
      EXPECT_EQ(gst_buffer_get_size(done.get()), info.size);
  }
  rig.video.eos();
  EXPECT_TRUE(rig.wait_eos());
  EXPECT_EQ(window_sizes(fake::windows()), (std::vector<size_t>{16, 16, 8}));
  rig.stop();
  rig.take();
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
}

// Where no frame has a face, nothing is edited and nothing is said but by the windows' messages.
TEST_P(Frames, WithoutFacesPassThroughUntouched) {
  fake::behave("no-face=0s-100s");
  Rig rig(GetParam());
  const Clip clip;
  expect_frames(run(rig, clip), clip, Edit::kUntouched);
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
  EXPECT_EQ(rig.element_messages("latentsync-window").size(), 3u);
}

// no-face=error stops at the first frame without one, with one error.
TEST_P(Frames, WithoutFacesAreAnErrorWhereTheyAreToBe) {
  fake::behave("no-face=800ms-800ms");
  Rig rig(GetParam(), {{"no-face", "error"}});
  rig.start();
  feed(rig, Clip{});
  EXPECT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  EXPECT_TRUE(rig.video.wait_idle());
  EXPECT_EQ(rig.messages(GST_MESSAGE_ERROR).size(), 1u);
  EXPECT_LE(rig.buffers(), 32u);
}

}  // namespace
}  // namespace latentsync::test
