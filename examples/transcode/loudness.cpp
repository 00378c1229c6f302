#include "examples/transcode/loudness.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace latentsync::transcode {
namespace {

constexpr GstClockTime kBlock = 20 * GST_MSECOND;

/// The mean over a frame's channels of the squares of its samples, which were unpacked to FORMAT.
double mean_square(GstAudioFormat format, const guint8* samples, size_t channels) {
  double sum = 0;
  for (size_t channel = 0; channel < channels; ++channel) {
    const double value = format == GST_AUDIO_FORMAT_F64
                             ? reinterpret_cast<const double*>(samples)[channel]
                             : reinterpret_cast<const gint32*>(samples)[channel] / 2147483648.;
    sum += std::isfinite(value) ? value * value : 0;
  }
  return sum / double(channels);
}

}  // namespace

void LoudnessMeter::add(GstBuffer* buffer, const GstAudioInfo& info, GstClockTime time) {
  GstMapInfo map;
  if (info.finfo == nullptr || GST_AUDIO_INFO_BPF(&info) == 0 || GST_AUDIO_INFO_RATE(&info) == 0 ||
      !gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    return;
  }
  const auto channels = size_t(GST_AUDIO_INFO_CHANNELS(&info));
  const auto rate = guint64(GST_AUDIO_INFO_RATE(&info));
  const auto frames = guint64(map.size) / guint64(GST_AUDIO_INFO_BPF(&info));
  const GstAudioFormat format = info.finfo->unpack_format;
  const auto bytes = size_t(format == GST_AUDIO_FORMAT_F64 ? sizeof(double) : sizeof(gint32));
  std::vector<guint8> samples(size_t(frames) * channels * bytes);
  info.finfo->unpack_func(info.finfo, GST_AUDIO_PACK_FLAG_NONE, samples.data(), map.data,
                          int(frames * channels));
  gst_buffer_unmap(buffer, &map);
  for (guint64 frame = 0; frame < frames; ++frame) {
    const GstClockTime at = time + gst_util_uint64_scale(frame, GST_SECOND, rate);
    const GstClockTime next = time + gst_util_uint64_scale(frame + 1, GST_SECOND, rate);
    add(mean_square(format, samples.data() + size_t(frame) * channels * bytes, channels), at,
        next - at);
  }
}

void LoudnessMeter::add(double square, GstClockTime time, GstClockTime duration) {
  // Times are rounded: a sample's duration is no gap.
  if (count_ > 0 && (time < begin_ || time >= begin_ + kBlock || time > end_ + 2 * duration)) {
    finish();
  }
  if (count_ == 0) {
    begin_ = time;
  }
  end_ = time + duration;
  squares_ += square;
  ++count_;
}

void LoudnessMeter::finish() {
  if (count_ > 0) {
    const double level = 10 * std::log10(std::max(squares_ / double(count_), 1e-12));
    report_(begin_, end_, std::max(level, kSilence));
  }
  squares_ = 0;
  count_ = 0;
}

}  // namespace latentsync::transcode
