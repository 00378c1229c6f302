#pragma once

#include <gst/gst.h>
#include <optional>

namespace latentsync::transcode {

/// Matroska's timestamps are whole milliseconds.
constexpr GstClockTime kRounding = GST_MSECOND;
/// After so many frames the smoothing of faces has forgotten where it began.
constexpr guint64 kLeadInFrames = 32;

/// The part of the whole that a run makes, on the whole's timeline. A frame belongs to it whose
/// time, rounded as containers do, is in [begin, end).
struct Part {
  GstClockTime begin = 0;
  GstClockTime end = 0;
  /// What is rendered for it, so that it comes out as in a run over the whole: whole windows, and
  /// 32 frames before them, in which smoothing forgets where it began.
  GstClockTime feed_begin = 0;
  GstClockTime feed_end = 0;

  bool keeps(GstClockTime time) const;
  bool feeds(GstClockTime time) const;
};

struct Shard {
  int index = 1;  ///< from 1
  int count = 1;
};

/// The whole.
struct Timeline {
  GstClockTime total = 0;  ///< where it ends
  double frame_rate = 0;   ///< 0 where it varies; shards then begin at times, not at frames
  GstClockTime frame_duration = 0;
  int window_frames = 16;  ///< at a constant rate windows begin at multiples of it
};

/// Throws Problem: the part is empty.
Part choose_part(const Timeline& whole, std::optional<GstClockTime> start,
                 std::optional<GstClockTime> duration, const Shard& shard);

}  // namespace latentsync::transcode
