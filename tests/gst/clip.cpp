#include "tests/gst/clip.h"

#include "tests/gst/fake_picture.h"

#include <algorithm>
#include <map>

namespace latentsync::test {
namespace {

size_t metas_of(GstBuffer* buffer, bool without_video_meta) {
  size_t count = 0;
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta(buffer, &state)) {
    if (!without_video_meta || meta->info->api != GST_VIDEO_META_API_TYPE) ++count;
  }
  return count;
}

void expect_same_head(GstBuffer* out, const Ref<GstBuffer>& source, size_t index) {
  const guint ignored = GST_BUFFER_FLAG_TAG_MEMORY;
  EXPECT_EQ(GST_BUFFER_PTS(out), GST_BUFFER_PTS(source.get())) << "pts of frame " << index;
  EXPECT_EQ(GST_BUFFER_DTS(out), GST_BUFFER_DTS(source.get())) << "dts of frame " << index;
  EXPECT_EQ(GST_BUFFER_DURATION(out), GST_BUFFER_DURATION(source.get()))
      << "duration of frame " << index;
  EXPECT_EQ(GST_BUFFER_OFFSET(out), GST_BUFFER_OFFSET(source.get())) << "offset of frame " << index;
  EXPECT_EQ(GST_BUFFER_OFFSET_END(out), GST_BUFFER_OFFSET_END(source.get()))
      << "offset-end of frame " << index;
  EXPECT_EQ(GST_BUFFER_FLAGS(out) & ~ignored, GST_BUFFER_FLAGS(source.get()) & ~ignored)
      << "flags of frame " << index;
  // A copy may describe its layout where the source had the usual one.
  const bool plain = gst_buffer_get_video_meta(source.get()) == nullptr;
  EXPECT_EQ(metas_of(out, plain), metas_of(source.get(), plain)) << "metas of frame " << index;
  const auto* made = gst_buffer_get_reference_timestamp_meta(out, nullptr);
  const auto* given = gst_buffer_get_reference_timestamp_meta(source.get(), nullptr);
  if (given != nullptr && made != nullptr) {
    EXPECT_EQ(made->timestamp, given->timestamp);
  }
}

void expect_pixels(GstBuffer* out, const Ref<GstBuffer>& source, const std::vector<bool>& editable,
                   Edit edit, size_t index) {
  const std::vector<uint8_t> made = bytes_of(out);
  const std::vector<uint8_t> given = bytes_of(source.get());
  ASSERT_EQ(made.size(), given.size()) << "size of frame " << index;
  size_t outside = 0;
  size_t inside = 0;
  for (size_t at = 0; at < made.size(); ++at) {
    if (made[at] == given[at]) continue;
    (editable[at] ? inside : outside) += 1;
  }
  EXPECT_EQ(outside, 0u) << "bytes outside the edited area of frame " << index;
  if (edit == Edit::kEdited) {
    EXPECT_GT(inside, 0u) << "frame " << index << " is not edited";
  } else if (edit == Edit::kUntouched) {
    EXPECT_EQ(inside, 0u) << "frame " << index << " is edited";
  }
}

}  // namespace

std::vector<FrameSpec> Clip::specs() const {
  std::vector<FrameSpec> all;
  for (uint64_t number = first; number < first + frames; ++number) {
    const GstClockTime time = frame_time(number, rate_numerator, rate_denominator);
    const GstClockTime next = frame_time(number + 1, rate_numerator, rate_denominator);
    all.push_back({number, time, next - time, with_metas});
  }
  return all;
}

GstClockTime Clip::begin_time() const {
  return frame_time(first, rate_numerator, rate_denominator);
}
GstClockTime Clip::end_time() const {
  return frame_time(first + frames, rate_numerator, rate_denominator);
}

int64_t Clip::first_sample() const {
  if (audio_begin >= 0) return audio_begin;
  return static_cast<int64_t>(gst_util_uint64_scale(begin_time(), 16000, GST_SECOND));
}
int64_t Clip::end_sample() const {
  if (audio_end >= 0) return audio_end;
  return static_cast<int64_t>(gst_util_uint64_scale_ceil(end_time(), 16000, GST_SECOND));
}

void feed_frames(Feeder& video, const Clip& clip, const Retime& retime) {
  for (const FrameSpec& spec : clip.specs()) {
    Ref<GstBuffer> frame = make_frame(clip.picture, spec);
    if (retime) retime(frame.get());
    video.push(std::move(frame));
  }
}

void feed_samples(Feeder& audio, const Clip& clip, const Retime& retime) {
  int64_t at = clip.first_sample();
  while (at < clip.end_sample()) {
    const int64_t end = std::min((at / clip.chunk + 1) * clip.chunk, clip.end_sample());
    Ref<GstBuffer> samples = make_audio(clip.audio_format, at, end - at, audio_time(at));
    if (retime) retime(samples.get());
    audio.push(std::move(samples));
    at = end;
  }
}

void begin(Rig& rig, const Clip& clip) {
  rig.video.begin(clip.picture.caps());
  rig.audio.begin(audio_caps(clip.audio_format));
}

void feed(Rig& rig, const Clip& clip) {
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  rig.video.eos();
  rig.audio.eos();
}

GstSegment segment_at(GstClockTime start) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = start;
  return segment;
}

bool seek(Rig& rig, const Clip& clip) {
  const GstSegment segment = segment_at(clip.begin_time());
  const auto go_on = [&](Rig&, bool video) {
    Feeder& feeder = video ? rig.video : rig.audio;
    feeder.segment(segment);
    video ? feed_frames(feeder, clip) : feed_samples(feeder, clip);
    feeder.eos();
  };
  return rig.seek(go_on, clip.begin_time());
}

std::vector<Ref<GstBuffer>> run(Rig& rig, const Clip& clip) {
  rig.start();
  feed(rig, clip);
  if (!rig.wait_eos()) ADD_FAILURE() << "no end of stream; " << rig.buffers() << " frames came";
  return rig.take_buffers();
}

void expect_frames(const std::vector<Ref<GstBuffer>>& outputs, const Picture& picture,
                   const std::vector<FrameSpec>& specs, const EditOf& edit) {
  ASSERT_EQ(outputs.size(), specs.size()) << "frames";
  std::vector<bool> editable;
  for (size_t index = 0; index < specs.size(); ++index) {
    const Ref<GstBuffer> source = make_frame(picture, specs[index]);
    if (editable.empty()) editable = editable_bytes(picture, source.get());
    expect_same_head(outputs[index].get(), source, index);
    expect_pixels(outputs[index].get(), source, editable, edit(index), index);
    if (testing::Test::HasFailure()) return;  // one frame says enough
  }
}

void expect_frames(const std::vector<Ref<GstBuffer>>& outputs, const Clip& clip, Edit edit) {
  expect_frames(outputs, clip.picture, clip.specs(), [edit](size_t) { return edit; });
}

std::vector<size_t> window_sizes(const std::vector<fake::WindowRecord>& windows) {
  std::vector<size_t> sizes;
  for (const auto& window : windows) sizes.push_back(window.times.size());
  return sizes;
}

void expect_audio_follows(const std::vector<fake::WindowRecord>& windows, const Clip& clip,
                          int64_t offset, const std::function<bool(int64_t)>& silent) {
  std::map<uint64_t, GstClockTime> time_of;
  for (const FrameSpec& spec : clip.specs()) {
    time_of[picture_hash_of(clip.picture, make_frame(clip.picture, spec).get())] = spec.pts;
  }
  ASSERT_FALSE(windows.empty());
  for (size_t number = 0; number < windows.size(); ++number) {
    const auto& window = windows[number];
    for (size_t frame = 0; frame < window.times.size(); ++frame) {
      const auto known = time_of.find(window.pictures[frame]);
      ASSERT_NE(known, time_of.end())
          << "window " << number << " has a picture that is not the clip's";
      const auto source =
          static_cast<int64_t>(gst_util_uint64_scale_round(known->second, 16000, GST_SECOND)) +
          offset;
      const auto place = static_cast<int64_t>(gst_util_uint64_scale_round(
                             static_cast<guint64>(window.times[frame]), 16000, GST_SECOND)) -
                         window.audio_start;
      const bool there = place >= 0 && place < static_cast<int64_t>(window.audio.size());
      const float heard = there ? window.audio[static_cast<size_t>(place)] : 0.0f;
      const bool quiet =
          silent ? silent(source) : source < clip.first_sample() || source >= clip.end_sample();
      ASSERT_EQ(heard, quiet ? 0.0f : sample_at(source))
          << "window " << number << ", frame " << frame << ", sample " << source;
    }
  }
}

std::vector<uint64_t> hashes_of(const std::vector<Ref<GstBuffer>>& buffers) {
  std::vector<uint64_t> all;
  for (const auto& buffer : buffers) {
    const std::vector<uint8_t> bytes = bytes_of(buffer.get());
    fake::Hash hash;
    hash.add(bytes.data(), bytes.size());
    all.push_back(hash.value());
  }
  return all;
}

}  // namespace latentsync::test
