#include "examples/transcode/sound_feed.h"

#include "examples/transcode/sample_check.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace latentsync::transcode {
namespace {

/// Timestamps that are off by less than this are taken for rounding: samples follow each other.
constexpr GstClockTime kJitter = 20 * GST_MSECOND;
/// What encoders can make something of.
constexpr guint64 kFewest = 32;
/// Of one buffer of silence.
constexpr GstClockTime kSilence = GST_SECOND / 4;

std::string seconds(GstClockTime time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", double(time) / GST_SECOND);
  return text;
}

std::string words(const GstAudioInfo& info) {
  return std::to_string(GST_AUDIO_INFO_RATE(&info)) + " Hz, " +
         std::to_string(GST_AUDIO_INFO_CHANNELS(&info)) + " channels";
}

GstAudioInfo info_of(const Unit& unit, const std::string& file) {
  GstAudioInfo info;
  if (!gst_audio_info_from_caps(&info, unit.caps.get())) {
    throw Problem(file + ": the format of its audio is unknown", kNoRetry);
  }
  return info;
}

}  // namespace

SoundFeed::SoundFeed(MediaReader& reader, const SoundLimits& limits) : reader_(reader) {
  pending_ = reader_.next();
  if (!pending_) {
    throw Problem(
        reader_.file() +
            ": no sample of its audio can be read; convert it (ffmpeg -i FILE -c:a pcm_s16le "
            "speech.wav), or "
            "name another speech with --audio",
        kNoRetry);
  }
  first_time_ = pending_.time;
  input_caps_.reset(gst_caps_ref(pending_.caps.get()));
  input_ = info_of(pending_, reader_.file());
  mixer_.emplace(input_, plan_channels(input_, limits.masks, limits.codec));
  output_ = mixer_->plan().info;
  output_caps_.reset(gst_audio_info_to_caps(&output_));
  if (GST_AUDIO_INFO_RATE(&input_) > limits.highest_rate) {
    rate_remark_ = "the sound's " + std::to_string(GST_AUDIO_INFO_RATE(&input_)) +
                   " Hz are more than " + limits.codec + " supports: resampled to " +
                   std::to_string(limits.highest_rate) + " Hz";
  }
}

void SoundFeed::choose(GstClockTime begin, GstClockTime end, GstClockTimeDiff offset) {
  const auto samples = gint64(sample_at(GstClockTime(std::abs(offset))));
  offset_ = offset < 0 ? -samples : samples;
  first_ = sample_at(begin);
  last_ = std::max(sample_at(end), first_ + kFewest);
  next_ = first_;
  if (const GstClockTimeDiff wanted = GstClockTimeDiff(begin) - offset; wanted > 0) {
    pending_ = {};
    reader_.seek(GstClockTime(wanted));
  }
}

gint64 SoundFeed::begin_of_pending() const { return gint64(sample_at(pending_.time)) + offset_; }

guint64 SoundFeed::sample_at(GstClockTime time) const {
  return gst_util_uint64_scale_round(time, guint64(GST_AUDIO_INFO_RATE(&input_)), GST_SECOND);
}

GstClockTime SoundFeed::time_of(guint64 samples) const {
  return gst_util_uint64_scale_round(samples, GST_SECOND, guint64(GST_AUDIO_INFO_RATE(&input_)));
}

void SoundFeed::warn_once(bool& said, const std::string& text) {
  if (!std::exchange(said, true) && warn_) {
    warn_(text);
  }
}

Unit SoundFeed::next() {
  if (!std::exchange(began_, true) && warn_) {
    for (const std::string& remark : {mixer_->plan().remark, rate_remark_}) {
      if (!remark.empty()) {
        warn_(remark);
      }
    }
  }
  while (next_ < last_ && !reader_.stopped()) {
    if (!pending_) {
      pending_ = reader_.next();
    }
    if (!pending_) {
      if (reader_.stopped()) {
        return {};
      }
      return silence(last_ - next_);
    }
    const gint64 begin = begin_of_pending();
    const auto next = gint64(next_);
    const gint64 slack = heard_ ? gint64(sample_at(kJitter)) : 0;
    if (begin > next + slack) {
      return silence(guint64(std::min(begin, gint64(last_)) - next));
    }
    const auto skip = guint64(begin + slack < next ? next - begin : 0);
    if (Unit unit = place(std::exchange(pending_, {}), skip)) {
      return unit;
    }
  }
  if (!heard_ && !reader_.stopped()) {
    warn_once(said_silent_,
              reader_.file() + ": none of its sound is within the output, which is silent");
  }
  return {};
}

Unit SoundFeed::silence(guint64 samples) {
  const guint64 count = std::min(samples, std::max<guint64>(sample_at(kSilence), 1));
  const gsize size = count * guint64(GST_AUDIO_INFO_BPF(&output_));
  BufferPtr buffer(gst_buffer_new_allocate(nullptr, size, nullptr));
  GstMapInfo map;
  if (gst_buffer_map(buffer.get(), &map, GST_MAP_WRITE)) {
    gst_audio_format_info_fill_silence(output_.finfo, map.data, map.size);
    gst_buffer_unmap(buffer.get(), &map);
  }
  return finished(std::move(buffer), count);
}

Unit SoundFeed::place(Unit unit, guint64 skip) {
  check_format(unit);
  const auto frame = guint64(GST_AUDIO_INFO_BPF(&input_));
  const guint64 samples = gst_buffer_get_size(unit.buffer.get()) / frame;
  if (skip >= samples) {
    return {};
  }
  const guint64 count = std::min(samples - skip, last_ - next_);
  const bool real = GST_AUDIO_FORMAT_INFO_IS_FLOAT(input_.finfo);
  // Neither flags nor times: what encoders make of a discontinuity is not wanted here.
  const auto copied =
      GstBufferCopyFlags(GST_BUFFER_COPY_MEMORY | (real ? GST_BUFFER_COPY_DEEP : 0));
  BufferPtr buffer(gst_buffer_copy_region(unit.buffer.get(), copied, skip * frame, count * frame));
  if (real) {
    clean(buffer.get());
  }
  heard_ = true;
  return finished(mixer_->apply(std::move(buffer)), count);
}

Unit SoundFeed::finished(BufferPtr buffer, guint64 samples) {
  Unit unit;
  unit.time = time_of(next_ - first_);
  next_ += samples;
  unit.duration = time_of(next_ - first_) - unit.time;
  GST_BUFFER_PTS(buffer.get()) = unit.time;
  GST_BUFFER_DURATION(buffer.get()) = unit.duration;
  unit.buffer = std::move(buffer);
  unit.caps.reset(gst_caps_ref(output_caps_.get()));
  return unit;
}

void SoundFeed::clean(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READWRITE)) {
    return;
  }
  const SampleFaults faults =
      clean_samples(GST_AUDIO_INFO_FORMAT(&input_), std::span(map.data, map.size));
  gst_buffer_unmap(buffer, &map);
  const std::string where =
      reader_.file() + ": at " + seconds(time_of(next_)) + " its sound has samples ";
  if (faults.not_numbers) {
    warn_once(said_numbers_, where + "that are not numbers; they are silent in the output");
  }
  if (faults.far_too_loud) {
    warn_once(said_loud_, where + "far beyond full scale; they are clipped in the output");
  }
}

void SoundFeed::check_format(const Unit& unit) const {
  if (gst_caps_is_equal(unit.caps.get(), input_caps_.get())) {
    return;
  }
  const GstAudioInfo info = info_of(unit, reader_.file());
  if (!gst_audio_info_is_equal(&info, &input_)) {
    throw Problem(
        reader_.file() + ": its sound changes from " + words(input_) + " to " + words(info) +
            " at " + seconds(unit.time) +
            "; make it one first (ffmpeg -i FILE -ar 48000 -ac 2 sound.wav) and name that "
            "with --audio",
        kNoRetry);
  }
}

}  // namespace latentsync::transcode
