#pragma once

#include "tests/gst/support.h"

#include <cstdint>
#include <gst/video/video.h>
#include <optional>
#include <string>
#include <vector>

/// Frames and audio that a test knows by heart: every byte is a function of a number.
namespace latentsync::test {

/// The pixel formats of the pads.
inline constexpr const char* kFormats[] = {"NV12", "I420", "P010_10LE", "Y42B",      "Y444",
                                           "YUY2", "RGB",  "BGR",       "RGBA",      "BGRA",
                                           "RGBx", "BGRx", "I420_10LE", "I422_10LE", "Y444_10LE",
                                           "UYVY", "v210", "A420",      "ARGB",      "ABGR",
                                           "xRGB", "xBGR", "A420_10LE", "A422_10LE", "A444_10LE",
                                           "GBR",  "GBRA", "GBR_10LE",  "GBRA_10LE"};

struct Picture {
  std::string format = "I420";
  int width = 32;
  int height = 24;
  std::string rate = "25/1";
  int padding = 0;  ///< bytes more for each row than GStreamer's own layout has

  std::string caps() const;
};

/// One frame of a source.
struct FrameSpec {
  uint64_t number = 0;  ///< its pixels
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  bool with_metas = false;  ///< region of interest, reference timestamp, dts, offsets, odd flags
};

/// A new buffer; it is counted until it is freed. Its memory is filled wholly, padding too. A
/// second buffer of the same arguments has the same bytes.
Ref<GstBuffer> make_frame(const Picture& picture, const FrameSpec& spec);

/// How many buffers of make_frame() and make_audio() are alive.
int live_source_buffers();

/// The number that make_frame() gave to this very buffer; nothing for copies.
std::optional<uint64_t> frame_identity(GstBuffer* buffer);

std::vector<uint8_t> bytes_of(GstBuffer* buffer);

/// The mean difference of as many bytes.
double difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b);

/// True for each byte of a frame's memory that an edit may change.
std::vector<bool> editable_bytes(const Picture& picture, GstBuffer* buffer);

/// What fake::WindowRecord::pictures has for the frame as it was made.
uint64_t picture_hash_of(const Picture& picture, GstBuffer* buffer);

/// The sample at INDEX of all test audio, exact in S16LE and F32LE.
float sample_at(int64_t index);

enum class AudioFormat { kS16, kF32 };
std::string audio_caps(AudioFormat format);

/// Samples [begin, begin + count) of the test audio, at PTS.
Ref<GstBuffer> make_audio(AudioFormat format, int64_t begin, int64_t count, GstClockTime pts);

/// The time of a sample.
GstClockTime audio_time(int64_t sample);
/// Frame NUMBER's time at RATE, as a demuxer rounds it down.
GstClockTime frame_time(uint64_t number, int rate_numerator, int rate_denominator);

}  // namespace latentsync::test
