#include "gst/input/speech_reader.h"

#include "gst/input/timeline.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace latentsync {
namespace {

/// Frames that are converted at once.
constexpr size_t kBlock = 8192;

bool has_flag(GstBuffer* buffer, GstBufferFlags flag) {
  return GST_BUFFER_FLAG_IS_SET(buffer, flag);
}

bool is_discontinuity(GstBuffer* buffer) {
  return has_flag(buffer, GST_BUFFER_FLAG_DISCONT) || has_flag(buffer, GST_BUFFER_FLAG_RESYNC);
}

/// Whether samples are taken as they are.
bool is_plain(const GstAudioInfo& info) {
  const GstAudioFormat format = GST_AUDIO_INFO_FORMAT(&info);
  return GST_AUDIO_INFO_RATE(&info) == kSampleRate && GST_AUDIO_INFO_CHANNELS(&info) == 1 &&
         (format == GST_AUDIO_FORMAT_F32LE || format == GST_AUDIO_FORMAT_S16LE);
}

std::vector<float> read_plain(GstBuffer* buffer, bool is_float) {
  std::vector<float> result;
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return result;
  if (is_float) {
    result.resize(map.size / sizeof(float));
    std::memcpy(result.data(), map.data, result.size() * sizeof(float));
  } else {
    result.resize(map.size / 2);
    for (size_t i = 0; i < result.size(); ++i) {
      result[i] = static_cast<float>(GST_READ_UINT16_LE(map.data + 2 * i) ^ 0x8000) - 32768.0f;
      result[i] /= 32768.0f;
    }
  }
  gst_buffer_unmap(buffer, &map);
  return result;
}

/// Channels without positions have equal weights; GStreamer refuses to mix them by itself.
GstStructure* mixing(int channels) {
  GValue row = G_VALUE_INIT, matrix = G_VALUE_INIT, weight = G_VALUE_INIT;
  gst_value_array_init(&row, channels);
  gst_value_array_init(&matrix, 1);
  g_value_init(&weight, G_TYPE_FLOAT);
  g_value_set_float(&weight, 1.0f / static_cast<float>(channels));
  for (int channel = 0; channel < channels; ++channel) {
    gst_value_array_append_value(&row, &weight);
  }
  gst_value_array_append_and_take_value(&matrix, &row);
  GstStructure* config = gst_structure_new_empty("converter-config");
  gst_structure_take_value(config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX, &matrix);
  g_value_unset(&weight);
  return config;
}

GstAudioConverter* new_converter(GstAudioInfo info) {
  GstAudioInfo mono;
  gst_audio_info_set_format(&mono, GST_AUDIO_FORMAT_F32, kSampleRate, 1, nullptr);
  const int channels = GST_AUDIO_INFO_CHANNELS(&info);
  const bool mixed = channels > 1 && GST_AUDIO_INFO_IS_UNPOSITIONED(&info);
  return gst_audio_converter_new(GST_AUDIO_CONVERTER_FLAG_NONE, &info, &mono,
                                 mixed ? mixing(channels) : nullptr);
}

}  // namespace

bool SpeechReader::set_format(const GstAudioInfo& info) {
  reset();
  info_ = info;
  converter_.reset(is_plain(info) ? nullptr : new_converter(info));
  if (!converter_) return is_plain(info);
  silence_.resize(kBlock * GST_AUDIO_INFO_BPF(&info_));
  gst_audio_format_info_fill_silence(info_.finfo, silence_.data(), silence_.size());
  return true;
}

void SpeechReader::reset() {
  running_ = false;
  if (converter_) gst_audio_converter_reset(converter_.get());
}

bool SpeechReader::continues(GstBuffer* buffer) const {
  if (!running_ || is_discontinuity(buffer)) return false;
  const GstClockTime time = GST_BUFFER_PTS(buffer);
  if (!GST_CLOCK_TIME_IS_VALID(time) || !GST_CLOCK_TIME_IS_VALID(begin_)) return true;
  const GstClockTime expected =
      begin_ + gst_util_uint64_scale(read_, GST_SECOND, GST_AUDIO_INFO_RATE(&info_));
  return std::abs(GST_CLOCK_DIFF(expected, time)) <= kTolerance;
}

void SpeechReader::begin(GstBuffer* buffer) {
  running_ = true;
  begin_ = GST_BUFFER_PTS(buffer);
  discontinuity_ = is_discontinuity(buffer);
  given_ = false;
  read_ = made_ = 0;
}

void SpeechReader::convert(const guint8* data, size_t frames, std::vector<float>& samples) {
  const size_t stride = GST_AUDIO_INFO_BPF(&info_);
  while (frames > 0) {
    const size_t block = std::min(frames, kBlock);
    gpointer in = data ? const_cast<guint8*>(data) : silence_.data();
    const size_t count = gst_audio_converter_get_out_frames(converter_.get(), block);
    samples.resize(samples.size() + count);
    gpointer out = samples.data() + samples.size() - count;
    gst_audio_converter_samples(converter_.get(), GST_AUDIO_CONVERTER_FLAG_NONE, &in, block, &out,
                                count);
    if (data) data += block * stride;
    frames -= block;
  }
}

Sound SpeechReader::piece(std::vector<float> samples) {
  Sound sound;
  made_ += samples.size();
  sound.samples = std::move(samples);
  if (given_ || sound.samples.empty()) return sound;
  given_ = true;
  sound.time = begin_;
  sound.discontinuity = discontinuity_;
  return sound;
}

std::vector<Sound> SpeechReader::read(GstBuffer* buffer) {
  const auto frames = gst_buffer_get_size(buffer) / GST_AUDIO_INFO_BPF(&info_);
  const bool gap = has_flag(buffer, GST_BUFFER_FLAG_GAP);
  std::vector<Sound> result;
  if (!converter_) {
    Sound& sound = result.emplace_back();
    sound.time = GST_BUFFER_PTS(buffer);
    sound.discontinuity = is_discontinuity(buffer);
    if (gap) {
      sound.silence = static_cast<int64_t>(frames);
    } else {
      sound.samples = read_plain(buffer, GST_AUDIO_INFO_IS_FLOAT(&info_));
    }
    return result;
  }
  if (!continues(buffer)) {
    result.push_back(drain());
    begin(buffer);
  }
  std::vector<float> samples;
  GstMapInfo map;
  if (gap) {
    convert(nullptr, frames, samples);
  } else if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    convert(map.data, frames, samples);
    gst_buffer_unmap(buffer, &map);
  }
  read_ += frames;
  result.push_back(piece(std::move(samples)));
  return result;
}

Sound SpeechReader::drain() {
  if (!running_ || !converter_) return {};
  const auto rate = static_cast<guint64>(GST_AUDIO_INFO_RATE(&info_));
  const guint64 all = gst_util_uint64_scale_ceil(read_, kSampleRate, rate);
  std::vector<float> rest;
  // Silence instead of no input at all, with which GStreamer 1.22 converts what lies in its memory.
  // A frame more than the delay: at low rates the last samples lie behind the last frame.
  convert(nullptr, gst_audio_converter_get_max_latency(converter_.get()) + 1, rest);
  rest.resize(std::min<guint64>(rest.size(), all - std::min(all, made_)));
  Sound sound = piece(std::move(rest));
  reset();
  return sound;
}

}  // namespace latentsync
