#include "gst/render/blend.h"

#include "gst/render/image_bridge.h"

#include <cmath>
#include <cstdint>

namespace latentsync {
namespace {

constexpr int kWhole = 256;

/// A mapping of a frame, if it succeeds.
class Mapped {
 public:
  Mapped(const GstVideoInfo& format, GstBuffer* buffer, GstMapFlags flags)
      : mapped_(gst_video_frame_map(&frame, &format, buffer, flags)) {}
  ~Mapped() {
    if (mapped_) gst_video_frame_unmap(&frame);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  explicit operator bool() const { return mapped_; }

  GstVideoFrame frame = {};

 private:
  bool mapped_;
};

int mix(int original, int edited, int weight) {
  return (original * (kWhole - weight) + edited * weight + kWhole / 2) / kWhole;
}

template <typename Sample>
void mix_row(const uint8_t* from, uint8_t* to, int64_t bytes, int weight, int unused_bits) {
  const auto* original = reinterpret_cast<const Sample*>(from);
  auto* edited = reinterpret_cast<Sample*>(to);
  const int used = ~((1 << unused_bits) - 1);
  for (int64_t i = 0; i < bytes / static_cast<int64_t>(sizeof(Sample)); ++i) {
    if (original[i] == edited[i]) continue;
    edited[i] = static_cast<Sample>(mix(original[i], edited[i], weight) & used);
  }
}

/// Three samples of ten bits in each word.
void mix_v210_row(const uint8_t* from, uint8_t* to, int64_t bytes, int weight) {
  const auto* original = reinterpret_cast<const uint32_t*>(from);
  auto* edited = reinterpret_cast<uint32_t*>(to);
  for (int64_t i = 0; i < bytes / 4; ++i) {
    uint32_t word = edited[i] & ~0x3fffffffU;
    for (int shift = 0; shift < 30; shift += 10) {
      const auto sample = [shift](uint32_t of) { return static_cast<int>(of >> shift & 0x3ff); };
      word |= static_cast<uint32_t>(mix(sample(original[i]), sample(edited[i]), weight)) << shift;
    }
    edited[i] = word;
  }
}

}  // namespace

std::optional<Failure> blend(GstBuffer* original, GstBuffer* edited, const GstVideoInfo& format,
                             double weight) {
  const Mapped from(format, original, GST_MAP_READ);
  const Mapped to(format, edited, GST_MAP_READWRITE);
  if (!from || !to) {
    return Failure{ErrorCode::kUnreadable,
                   "A video frame's memory cannot be read a second time. Put a videoconvert before "
                   "video_sink."};
  }
  const int parts = static_cast<int>(std::lround(weight * kWhole));
  const GstVideoFormatInfo* info = format.finfo;
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&to.frame); ++plane) {
    const PlaneRows rows = rows_of(to.frame, plane);
    for (int64_t row = 0; row < rows.count; ++row) {
      const auto at = [&](const GstVideoFrame& frame) {
        return static_cast<uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane)) +
               row * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
      };
      if (GST_VIDEO_FORMAT_INFO_FORMAT(info) == GST_VIDEO_FORMAT_v210) {
        mix_v210_row(at(from.frame), at(to.frame), rows.bytes, parts);
      } else if (GST_VIDEO_FORMAT_INFO_BITS(info) > 8) {
        const int unused = static_cast<int>(GST_VIDEO_FORMAT_INFO_SHIFT(info, 0));
        mix_row<uint16_t>(at(from.frame), at(to.frame), rows.bytes, parts, unused);
      } else {
        mix_row<uint8_t>(at(from.frame), at(to.frame), rows.bytes, parts, 0);
      }
    }
  }
  return std::nullopt;
}

}  // namespace latentsync
