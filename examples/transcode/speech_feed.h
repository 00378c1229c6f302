#pragma once

#include "examples/transcode/channel_mixer.h"
#include "examples/transcode/louder_channel.h"
#include "examples/transcode/media_reader.h"

#include <optional>
#include <string>

namespace latentsync::transcode {

/// The speech that drives the mouth: a reader's, such as GStreamer mixes to mono, or one of its
/// channels.
class SpeechFeed {
 public:
  /// OFFSET: by how much it is later than in the reader. CHANNEL: the one that is taken, from 1; 0:
  /// a mix of all. Throws Problem: there is no such channel.
  SpeechFeed(MediaReader& reader, GstClockTimeDiff offset, int channel);

  /// Gets what the user should know, from the thread that calls next().
  void set_warn(LouderChannel::Warn warn) { louder_.set_warn(std::move(warn)); }
  /// The next buffer; an empty unit at the end. What would come before 0 is left out. Throws
  /// Problem.
  Unit next();
  /// Which channel is taken, for the user; empty: all.
  std::string taken_channel() const;

 private:
  Unit next_moved();
  void mix(Unit& unit);

  MediaReader& reader_;
  GstClockTimeDiff offset_;
  int channel_;
  LouderChannel louder_;
  CapsPtr caps_;
  std::optional<ChannelMixer>
      mixer_;  ///< to one channel, or of those that GStreamer has no idea of
};

}  // namespace latentsync::transcode
