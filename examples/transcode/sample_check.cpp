#include "examples/transcode/sample_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace latentsync::transcode {
namespace {

/// Full scale is 1. Decoders and mixers go somewhat beyond it; no recording is 24 dB above.
constexpr double kFarTooLoud = 16;

template <typename Sample>
Sample cleaned(Sample value, SampleFaults& faults) {
  if (!std::isfinite(value)) {
    faults.not_numbers = true;
    return 0;
  }
  if (std::abs(value) > Sample(kFarTooLoud)) {
    faults.far_too_loud = true;
  }
  return std::clamp(value, Sample(-1), Sample(1));
}

template <typename Sample, bool kSwapped>
SampleFaults clean(std::span<guint8> samples) {
  SampleFaults faults;
  for (size_t at = 0; at + sizeof(Sample) <= samples.size(); at += sizeof(Sample)) {
    guint8* bytes = samples.data() + at;
    Sample value;
    if (kSwapped) std::reverse(bytes, bytes + sizeof value);
    std::memcpy(&value, bytes, sizeof value);
    value = cleaned(value, faults);
    std::memcpy(bytes, &value, sizeof value);
    if (kSwapped) std::reverse(bytes, bytes + sizeof value);
  }
  return faults;
}

}  // namespace

SampleFaults clean_samples(GstAudioFormat format, std::span<guint8> samples) {
  constexpr bool kBig = G_BYTE_ORDER == G_BIG_ENDIAN;
  switch (format) {
    case GST_AUDIO_FORMAT_F32LE:
      return clean<float, kBig>(samples);
    case GST_AUDIO_FORMAT_F32BE:
      return clean<float, !kBig>(samples);
    case GST_AUDIO_FORMAT_F64LE:
      return clean<double, kBig>(samples);
    case GST_AUDIO_FORMAT_F64BE:
      return clean<double, !kBig>(samples);
    default:
      return {};
  }
}

}  // namespace latentsync::transcode
