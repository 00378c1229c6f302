#pragma once

#include "gst/input/audio_input.h"
#include "gst/input/video_input.h"

#include <chrono>

/// What has arrived at the sink pads. The streaming threads put it here, the source task takes it.
/// Guarded by the Monitor.
namespace latentsync {

struct Input {
  VideoInput video;
  AudioInput audio;
  uint64_t arrivals = 0;  ///< buffers and gaps, of both pads

  /// The audio alone has flushed: the video may follow, and it is all one seek.
  std::optional<std::chrono::steady_clock::time_point> audio_flushed;

  void start(int window_frames, uint64_t lookahead_ns, bool whole) {
    video.start(window_frames, lookahead_ns);
    audio.start(whole);
    arrivals = 0;
    audio_flushed.reset();
  }

  /// Forgets audio that no frame needs.
  void forget_old_audio(bool live) {
    const auto oldest = video.oldest_ns();
    audio.forget(oldest ? oldest : video.end_ns(), live);
  }
};

}  // namespace latentsync
