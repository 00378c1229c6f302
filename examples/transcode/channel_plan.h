#pragma once

#include <gst/audio/audio.h>
#include <span>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// How the channels of a sound come into a codec that has only some layouts.
struct ChannelPlan {
  /// Of the samples that the codec gets: those of the input but for channels and positions.
  GstAudioInfo info;
  /// For each channel that is written the input's that it is, or -1: silence. Empty: they are to
  /// be mixed (`matrix`), or nothing is to be done.
  std::vector<int> route;
  /// How much of each input channel (first index) is in each that is written (second); empty with
  /// `mixed`: GStreamer's own.
  std::vector<std::vector<float>> matrix;
  bool mixed = false;
  /// What became of channels that are not written as they were, for the user; or empty.
  std::string remark;
};

/// MASKS: the layouts that the codec has, as GStreamer's channel masks; 0: mono. CODEC: its name.
/// What the codec has is kept; otherwise the smallest of its layouts that has all of the channels
/// is taken, the others silent; otherwise they are mixed. Channels without positions are numbered.
ChannelPlan plan_channels(const GstAudioInfo& input, std::span<const guint64> masks,
                          const char* codec);

}  // namespace latentsync::transcode
