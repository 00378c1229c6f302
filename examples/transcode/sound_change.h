#pragma once

#include "examples/transcode/handles.h"

#include <gst/audio/audio.h>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace latentsync::transcode {

/// Notes where decoded sound changes its rate or its channels.
class SoundChange {
 public:
  /// PAD: where decoded sound comes by.
  void watch(GstPad* pad);
  /// When and what ("rate 16000 becomes 48000"), once for each change.
  std::optional<std::pair<GstClockTime, std::string>> take();

 private:
  void note_caps(const GstCaps* caps);
  void note_buffer(GstPad* pad, GstBuffer* buffer);
  static GstPadProbeReturn on_data(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  std::mutex mutex_;
  bool begun_ = false;  ///< under mutex_, like all that follows
  GstAudioInfo first_ = {};
  std::string change_;  ///< its time is not known yet
  std::optional<std::pair<GstClockTime, std::string>> placed_;
};

}  // namespace latentsync::transcode
