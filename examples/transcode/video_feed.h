#pragma once

#include "examples/transcode/media_reader.h"

#include <optional>
#include <vector>

namespace latentsync::transcode {

/// What is shown where the speech is longer than the video.
enum class VideoEnd {
  kStop,      ///< nothing: both end with the video
  kHold,      ///< its last frame
  kLoop,      ///< the video from its beginning
  kPingPong,  ///< the video backwards, then forwards again
};

/// The frames of the output, in order, with their times on the output's timeline.
class VideoFeed {
 public:
  /// VIDEO_END: where READER's last frame ends. END: no frame begins there or later.
  VideoFeed(MediaReader& reader, VideoEnd mode, GstClockTime video_end, GstClockTime end);

  /// Leaves out what is before TIME. Before the first next() only.
  void skip_to(GstClockTime time);
  /// The next frame; an empty unit at the end.
  Unit next();

 private:
  Unit next_of_pass();
  Unit next_forwards();
  Unit next_backwards();
  void read_backwards_until(GstClockTime high);
  void begin_pass();
  bool backwards() const { return mode_ == VideoEnd::kPingPong && pass_ % 2 == 1; }

  MediaReader& reader_;
  VideoEnd mode_;
  GstClockTime video_end_;
  GstClockTime end_;
  GstClockTime skip_to_ = 0;
  GstClockTime offset_ = 0;  ///< of this pass's times
  std::optional<GstClockTime> first_time_;
  GstClockTime low_ = 0;     ///< backwards: frames before this are still to come
  std::vector<Unit> chunk_;  ///< backwards: frames from low_ on, in order
  Unit last_;
  GstClockTime held_ = 0;
  int pass_ = 0;
  bool pass_begins_ = false;
};

}  // namespace latentsync::transcode
