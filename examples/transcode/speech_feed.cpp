#include "examples/transcode/speech_feed.h"

#include <algorithm>
#include <utility>

namespace latentsync::transcode {
namespace {

int channels_of(const MediaReader& reader) {
  GstAudioInfo info;
  return reader.caps() != nullptr && gst_audio_info_from_caps(&info, reader.caps())
             ? GST_AUDIO_INFO_CHANNELS(&info)
             : 0;
}

ChannelPlan one_channel(const GstAudioInfo& input) {
  ChannelPlan plan;
  gst_audio_info_set_format(&plan.info, GST_AUDIO_INFO_FORMAT(&input), GST_AUDIO_INFO_RATE(&input),
                            1, nullptr);
  return plan;
}

/// All channels alike: their positions are not known.
ChannelPlan plan_mono(const GstAudioInfo& input) {
  ChannelPlan plan = one_channel(input);
  const int channels = GST_AUDIO_INFO_CHANNELS(&input);
  plan.mixed = true;
  plan.matrix.assign(size_t(channels), {1.0F / float(channels)});
  return plan;
}

/// CHANNEL, from 1, and nothing of the others.
ChannelPlan plan_channel(const GstAudioInfo& input, int channel) {
  ChannelPlan plan = one_channel(input);
  plan.route = {channel - 1};
  return plan;
}

/// UNIT without the samples of its first CUT; empty where none are left.
Unit without_beginning(Unit unit, GstClockTime cut) {
  GstAudioInfo info;
  if (!gst_audio_info_from_caps(&info, unit.caps.get())) {
    return unit;
  }
  const auto frame = gsize(GST_AUDIO_INFO_BPF(&info));
  const gsize samples = gst_buffer_get_size(unit.buffer.get()) / frame;
  const gsize skip =
      gst_util_uint64_scale_round(cut, guint64(GST_AUDIO_INFO_RATE(&info)), GST_SECOND);
  if (skip >= samples) {
    return {};
  }
  unit.buffer.reset(gst_buffer_copy_region(unit.buffer.get(), GST_BUFFER_COPY_MEMORY, skip * frame,
                                           (samples - skip) * frame));
  unit.duration -= std::min(unit.duration, cut);
  return unit;
}

}  // namespace

SpeechFeed::SpeechFeed(MediaReader& reader, GstClockTimeDiff offset, int channel)
    : reader_(reader), offset_(offset), channel_(channel), louder_(reader.file()) {
  const int channels = channels_of(reader);
  if (channel > channels && channels > 0) {
    throw Problem(reader.file() + ": there is no channel " + std::to_string(channel) +
                      "; its audio has " + std::to_string(channels),
                  kNoRetry);
  }
}

std::string SpeechFeed::taken_channel() const {
  return channel_ == 0 ? ""
                       : "the mouth follows channel " + std::to_string(channel_) + " of " +
                             std::to_string(channels_of(reader_)) + " of " + reader_.file();
}

Unit SpeechFeed::next_moved() {
  for (;;) {
    Unit unit = reader_.next();
    if (!unit || offset_ >= 0) {
      unit.time += GstClockTime(offset_);
      return unit;
    }
    const auto earlier = GstClockTime(-offset_);
    if (unit.time >= earlier) {
      unit.time -= earlier;
      return unit;
    }
    unit = without_beginning(std::move(unit), earlier - unit.time);
    if (unit) {
      unit.time = 0;
      return unit;
    }
  }
}

Unit SpeechFeed::next() {
  Unit unit = next_moved();
  if (unit && channel_ == 0) {
    unit = louder_.apply(std::move(unit));
  }
  if (unit) {
    mix(unit);
  }
  return unit;
}

void SpeechFeed::mix(Unit& unit) {
  if (!caps_ || !gst_caps_is_equal(caps_.get(), unit.caps.get())) {
    caps_.reset(gst_caps_ref(unit.caps.get()));
    mixer_.reset();
    GstAudioInfo info;
    if (!gst_audio_info_from_caps(&info, caps_.get())) {
      return;
    }
    if (channel_ > 0) {
      mixer_.emplace(info, plan_channel(info, channel_));
    } else if (GST_AUDIO_INFO_IS_UNPOSITIONED(&info) && GST_AUDIO_INFO_CHANNELS(&info) > 2) {
      mixer_.emplace(info, plan_mono(info));
    }
  }
  if (mixer_) {
    unit.buffer = mixer_->apply(std::move(unit.buffer));
    GstAudioInfo info = mixer_->plan().info;
    unit.caps.reset(gst_audio_info_to_caps(&info));
  }
}

}  // namespace latentsync::transcode
