#include "examples/transcode/louder_channel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gst/audio/audio.h>
#include <utility>

namespace latentsync::transcode {
namespace {

/// Seconds after which what was heard counts for a third.
constexpr double kMemory = 0.2;
/// Energy of the sum, as a part of the loudest channel's, below which channels cancel, and above
/// which they no longer do. One-sided speech has 1, the same on both sides 4.
constexpr double kCancels = 0.06;
constexpr double kAdds = 0.25;
/// Mean energy below which nothing is decided: -60 dB.
constexpr double kQuiet = 1e-6;
/// How much louder another channel has to be.
constexpr double kLouder = 2;

/// SAMPLES in the format that GStreamer unpacks INFO's into, as numbers with full scale 1.
double number(const guint8* samples, size_t index, bool integers) {
  if (integers) {
    gint32 value = 0;
    std::memcpy(&value, samples + index * sizeof value, sizeof value);
    return double(value) / 2147483648.0;
  }
  double value = 0;
  std::memcpy(&value, samples + index * sizeof value, sizeof value);
  return std::isfinite(value) ? std::clamp(value, -1.0, 1.0) : 0;
}

}  // namespace

Unit LouderChannel::apply(Unit unit) {
  if (!unit) {
    return unit;
  }
  if (!caps_ || !gst_caps_is_equal(caps_.get(), unit.caps.get())) {
    caps_.reset(gst_caps_ref(unit.caps.get()));
    if (!gst_audio_info_from_caps(&info_, caps_.get())) {
      gst_audio_info_init(&info_);
    }
    energies_.assign(size_t(std::max(GST_AUDIO_INFO_CHANNELS(&info_), 0)), 0);
    sum_energy_ = 0;
    chosen_ = 0;
    cancels_ = false;
  }
  if (energies_.size() < 2) {
    return unit;
  }
  measure(unit.buffer.get());
  if (!decide()) {
    return unit;
  }
  if (!std::exchange(said_, true) && warn_) {
    warn_(file_ +
          ": its channels cancel each other when they are mixed; the mouth follows the "
          "loudest of them, channel " +
          std::to_string(chosen_ + 1));
  }
  BufferPtr made(gst_buffer_copy_deep(unit.buffer.get()));
  spread(made.get());
  unit.buffer = std::move(made);
  return unit;
}

void LouderChannel::measure(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    return;
  }
  const size_t channels = energies_.size();
  const size_t samples = map.size / size_t(GST_AUDIO_INFO_BPF(&info_));
  const bool integers = info_.finfo->unpack_format == GST_AUDIO_FORMAT_S32;
  std::vector<guint8> unpacked(samples * channels * (integers ? sizeof(gint32) : sizeof(double)));
  info_.finfo->unpack_func(info_.finfo, GST_AUDIO_PACK_FLAG_NONE, unpacked.data(), map.data,
                           int(samples * channels));
  gst_buffer_unmap(buffer, &map);
  std::vector<double> energies(channels, 0);
  double sum_energy = 0;
  for (size_t sample = 0; sample < samples; ++sample) {
    double sum = 0;
    for (size_t channel = 0; channel < channels; ++channel) {
      const double value = number(unpacked.data(), sample * channels + channel, integers);
      energies[channel] += value * value;
      sum += value;
    }
    sum_energy += sum * sum;
  }
  const double kept = std::exp(-double(samples) / GST_AUDIO_INFO_RATE(&info_) / kMemory);
  const double added = (1 - kept) / double(std::max<size_t>(samples, 1));
  for (size_t channel = 0; channel < channels; ++channel) {
    energies_[channel] = kept * energies_[channel] + added * energies[channel];
  }
  sum_energy_ = kept * sum_energy_ + added * sum_energy;
}

bool LouderChannel::decide() {
  const auto loudest = std::max_element(energies_.begin(), energies_.end());
  if (*loudest < kQuiet) {
    return cancels_;
  }
  if (!cancels_ || *loudest > kLouder * energies_[chosen_]) {
    chosen_ = size_t(loudest - energies_.begin());
  }
  cancels_ = sum_energy_ < (cancels_ ? kAdds : kCancels) * *loudest;
  return cancels_;
}

void LouderChannel::spread(GstBuffer* buffer) const {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READWRITE)) {
    return;
  }
  const auto width = size_t(GST_AUDIO_INFO_WIDTH(&info_)) / 8;
  const auto frame = size_t(GST_AUDIO_INFO_BPF(&info_));
  for (size_t at = 0; at + frame <= map.size; at += frame) {
    for (size_t channel = 0; channel < energies_.size(); ++channel) {
      std::memmove(map.data + at + channel * width, map.data + at + chosen_ * width, width);
    }
  }
  gst_buffer_unmap(buffer, &map);
}

}  // namespace latentsync::transcode
