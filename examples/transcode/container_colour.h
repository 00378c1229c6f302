#pragma once

#include "examples/transcode/handles.h"

#include <mutex>
#include <string>

namespace latentsync::transcode {

/// Whose word is taken on the colours of H.264 and H.265 in MP4 and MOV: the stream's own, and the
/// container's where the stream says nothing.
///
/// GStreamer 1.22 asks the other way round, and drops the container's mark of full range, so that
/// full range comes out as limited. Here the container's colorimetry is taken out of the caps
/// before the parser sees them.
class ContainerColour {
 public:
  /// ELEMENT has come into the pipeline: a parser, or of no concern.
  void watch_element(GstElement* element);
  /// PAD: where the decoder gets what the parser found.
  void watch_coded(GstPad* pad);

  /// The container's, where the stream has none of its own; else empty. Its range counts for
  /// nothing.
  std::string colorimetry() const;

 private:
  static GstPadProbeReturn on_container_caps(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  static GstPadProbeReturn on_coded_caps(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  mutable std::mutex mutex_;
  std::string of_container_;     ///< under mutex_
  bool stream_has_own_ = false;  ///< under mutex_
};

}  // namespace latentsync::transcode
