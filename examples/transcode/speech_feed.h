#pragma once

#include "examples/transcode/channel_mixer.h"
#include "examples/transcode/louder_channel.h"
#include "examples/transcode/media_reader.h"

#include <functional>
#include <optional>
#include <string>

namespace latentsync::transcode {

/// The speech that drives the mouth: a reader's, such as GStreamer mixes to mono.
class SpeechFeed {
 public:
  explicit SpeechFeed(MediaReader& reader) : reader_(reader), louder_(reader.file()) {}

  /// Gets what the user should know, from the thread that calls next().
  void set_warn(LouderChannel::Warn warn) { louder_.set_warn(std::move(warn)); }
  /// The next buffer; an empty unit at the end. Throws Problem.
  Unit next();

 private:
  MediaReader& reader_;
  LouderChannel louder_;
  CapsPtr caps_;
  std::optional<ChannelMixer> mixer_;  ///< of channels that GStreamer has no idea of
};

}  // namespace latentsync::transcode
