#include "tests/gst/media.h"

#include "tests/gst/fake_picture.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <stdexcept>

namespace latentsync::test {
namespace {

std::atomic<int> live_buffers = 0;

void buffer_is_gone(gpointer, GstMiniObject*) { --live_buffers; }

void count_until_gone(GstBuffer* buffer) {
  ++live_buffers;
  gst_mini_object_weak_ref(GST_MINI_OBJECT_CAST(buffer), buffer_is_gone, nullptr);
}

GQuark identity_quark() {
  static const GQuark quark = g_quark_from_static_string("latentsync-test-identity");
  return quark;
}

uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

GstVideoInfo info_of(const Picture& picture) {
  GstVideoInfo info;
  const Ref<GstCaps> caps = caps_of(picture.caps());
  if (!gst_video_info_from_caps(&info, caps.get())) throw std::runtime_error("bad caps");
  if (picture.padding == 0) return info;
  gsize offset = 0;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); ++plane) {
    const int component[] = {0, 1, 2, 3};
    const int rows = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(info.finfo, component[plane], info.height);
    info.offset[plane] = offset;
    info.stride[plane] += picture.padding;
    offset += static_cast<gsize>(info.stride[plane]) * static_cast<gsize>(rows);
  }
  info.size = offset;
  return info;
}

void add_metas(GstBuffer* buffer, const FrameSpec& spec) {
  GST_BUFFER_DTS(buffer) = spec.pts == GST_CLOCK_TIME_NONE ? 7 : spec.pts / 2;
  GST_BUFFER_OFFSET(buffer) = 1000 + spec.number;
  GST_BUFFER_OFFSET_END(buffer) = 2000 + spec.number;
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_MARKER);
  if (spec.number % 3 == 1) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
  gst_buffer_add_video_region_of_interest_meta(buffer, "test", static_cast<guint>(spec.number), 1,
                                               2, 3);
  const Ref<GstCaps> reference = caps_of("timestamp/x-test");
  gst_buffer_add_reference_timestamp_meta(buffer, reference.get(), spec.number * 1000, 5);
}

kernels::PixelFormat pixel_format(GstVideoFormat format) {
  using kernels::PixelFormat;
  switch (format) {
    case GST_VIDEO_FORMAT_NV12:
      return PixelFormat::kNv12;
    case GST_VIDEO_FORMAT_I420:
    case GST_VIDEO_FORMAT_A420:
      return PixelFormat::kI420;
    case GST_VIDEO_FORMAT_P010_10LE:
      return PixelFormat::kP010;
    case GST_VIDEO_FORMAT_Y42B:
      return PixelFormat::kY42b;
    case GST_VIDEO_FORMAT_Y444:
      return PixelFormat::kY444;
    case GST_VIDEO_FORMAT_YUY2:
      return PixelFormat::kYuy2;
    case GST_VIDEO_FORMAT_UYVY:
      return PixelFormat::kUyvy;
    case GST_VIDEO_FORMAT_v210:
      return PixelFormat::kV210;
    case GST_VIDEO_FORMAT_I420_10LE:
    case GST_VIDEO_FORMAT_A420_10LE:
      return PixelFormat::kI420Ten;
    case GST_VIDEO_FORMAT_I422_10LE:
    case GST_VIDEO_FORMAT_A422_10LE:
      return PixelFormat::kI422Ten;
    case GST_VIDEO_FORMAT_Y444_10LE:
    case GST_VIDEO_FORMAT_A444_10LE:
      return PixelFormat::kY444Ten;
    case GST_VIDEO_FORMAT_ARGB:
    case GST_VIDEO_FORMAT_xRGB:
      return PixelFormat::kArgb;
    case GST_VIDEO_FORMAT_ABGR:
    case GST_VIDEO_FORMAT_xBGR:
      return PixelFormat::kAbgr;
    case GST_VIDEO_FORMAT_GBR:
    case GST_VIDEO_FORMAT_GBRA:
      return PixelFormat::kGbr;
    case GST_VIDEO_FORMAT_GBR_10LE:
    case GST_VIDEO_FORMAT_GBRA_10LE:
      return PixelFormat::kGbrTen;
    case GST_VIDEO_FORMAT_RGB:
      return PixelFormat::kRgb;
    case GST_VIDEO_FORMAT_BGR:
      return PixelFormat::kBgr;
    case GST_VIDEO_FORMAT_RGBA:
      return PixelFormat::kRgba;
    case GST_VIDEO_FORMAT_BGRA:
      return PixelFormat::kBgra;
    case GST_VIDEO_FORMAT_RGBx:
      return PixelFormat::kRgbx;
    case GST_VIDEO_FORMAT_BGRx:
      return PixelFormat::kBgrx;
    default:
      throw std::runtime_error("a format that the pads do not have");
  }
}

kernels::ImageView view_of(const Picture& picture, std::vector<uint8_t>& bytes) {
  const GstVideoInfo info = info_of(picture);
  kernels::ImageView view;
  view.format = pixel_format(GST_VIDEO_INFO_FORMAT(&info));
  view.width = info.width;
  view.height = info.height;
  const guint planes = GST_VIDEO_INFO_N_PLANES(&info);
  for (guint plane = 0; plane < std::min<guint>(planes, view.planes.size()); ++plane) {
    view.planes[plane] = {bytes.data() + info.offset[plane], info.stride[plane]};
  }
  return view;
}

}  // namespace

std::string Picture::caps() const {
  return "video/x-raw,format=" + format + ",width=" + std::to_string(width) +
         ",height=" + std::to_string(height) + ",framerate=" + rate;
}

Ref<GstBuffer> make_frame(const Picture& picture, const FrameSpec& spec) {
  GstVideoInfo info = info_of(picture);
  Ref<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  GstMapInfo map;
  gst_buffer_map(buffer.get(), &map, GST_MAP_WRITE);
  for (gsize at = 0; at < map.size; at += 8) {
    const uint64_t word = mix((spec.number + 1) * 0x9e3779b97f4a7c15ULL + at);
    for (gsize byte = at; byte < std::min<gsize>(map.size, at + 8); ++byte) {
      map.data[byte] = static_cast<uint8_t>(word >> (8 * (byte - at)));
    }
  }
  gst_buffer_unmap(buffer.get(), &map);
  if (picture.padding > 0) {
    gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, info.finfo->format,
                                   static_cast<guint>(info.width), static_cast<guint>(info.height),
                                   GST_VIDEO_INFO_N_PLANES(&info), info.offset, info.stride);
  }
  GST_BUFFER_PTS(buffer.get()) = spec.pts;
  GST_BUFFER_DURATION(buffer.get()) = spec.duration;
  if (spec.with_metas) add_metas(buffer.get(), spec);
  gst_mini_object_set_qdata(GST_MINI_OBJECT_CAST(buffer.get()), identity_quark(),
                            GSIZE_TO_POINTER(spec.number + 1), nullptr);
  count_until_gone(buffer.get());
  return buffer;
}

int live_source_buffers() { return live_buffers; }

std::optional<uint64_t> frame_identity(GstBuffer* buffer) {
  const gsize value =
      GPOINTER_TO_SIZE(gst_mini_object_get_qdata(GST_MINI_OBJECT_CAST(buffer), identity_quark()));
  if (value == 0) return std::nullopt;
  return value - 1;
}

std::vector<uint8_t> bytes_of(GstBuffer* buffer) {
  std::vector<uint8_t> bytes(gst_buffer_get_size(buffer));
  gst_buffer_extract(buffer, 0, bytes.data(), bytes.size());
  return bytes;
}

double difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

std::vector<bool> editable_bytes(const Picture& picture, GstBuffer* buffer) {
  // A byte that many random pictures leave at zero is one that is never written: some have two bits.
  std::vector<bool> editable(gst_buffer_get_size(buffer));
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::vector<uint8_t> bytes(editable.size());
    fake::scramble(view_of(picture, bytes), seed * 7919);
    for (size_t at = 0; at < bytes.size(); ++at) editable[at] = editable[at] || bytes[at] != 0;
  }
  return editable;
}

uint64_t picture_hash_of(const Picture& picture, GstBuffer* buffer) {
  std::vector<uint8_t> bytes = bytes_of(buffer);
  return fake::picture_hash(view_of(picture, bytes));
}

float sample_at(int64_t index) {
  const auto value = static_cast<int16_t>(mix(static_cast<uint64_t>(index) + 77) & 0xffff);
  return static_cast<float>(value) / 32768.0f;
}

std::string audio_caps(AudioFormat format) {
  return std::string("audio/x-raw,format=") + (format == AudioFormat::kS16 ? "S16LE" : "F32LE") +
         ",rate=16000,channels=1,layout=interleaved";
}

Ref<GstBuffer> make_audio(AudioFormat format, int64_t begin, int64_t count, GstClockTime pts) {
  const gsize width = format == AudioFormat::kS16 ? 2 : 4;
  Ref<GstBuffer> buffer(
      gst_buffer_new_allocate(nullptr, static_cast<gsize>(count) * width, nullptr));
  GstMapInfo map;
  gst_buffer_map(buffer.get(), &map, GST_MAP_WRITE);
  for (int64_t at = 0; at < count; ++at) {
    const float value = sample_at(begin + at);
    if (format == AudioFormat::kS16) {
      reinterpret_cast<int16_t*>(map.data)[at] =
          static_cast<int16_t>(std::lround(value * 32768.0f));
    } else {
      reinterpret_cast<float*>(map.data)[at] = value;
    }
  }
  gst_buffer_unmap(buffer.get(), &map);
  GST_BUFFER_PTS(buffer.get()) = pts;
  GST_BUFFER_DURATION(buffer.get()) = audio_time(begin + count) - audio_time(begin);
  count_until_gone(buffer.get());
  return buffer;
}

GstClockTime audio_time(int64_t sample) {
  return gst_util_uint64_scale(static_cast<guint64>(sample), GST_SECOND, 16000);
}

GstClockTime frame_time(uint64_t number, int rate_numerator, int rate_denominator) {
  return gst_util_uint64_scale(number * static_cast<uint64_t>(rate_denominator), GST_SECOND,
                               static_cast<guint64>(rate_numerator));
}

}  // namespace latentsync::test
