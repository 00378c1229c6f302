#pragma once

#include <gst/gst.h>
#include <optional>

namespace latentsync::transcode {

/// The part of the whole that a run makes, on the whole's timeline. A frame belongs to it whose
/// time, rounded as containers do, is in [begin, end).
struct Part {
  GstClockTime begin = 0;
  GstClockTime end = 0;
  /// What is rendered for it, so that it comes out as in a run over the whole: 32 frames before, in
  /// which smoothing forgets where it began, and the rest of the last window after.
  GstClockTime feed_begin = 0;
  GstClockTime feed_end = 0;

  bool keeps(GstClockTime time) const;
  bool feeds(GstClockTime time) const;
};

struct Shard {
  int index = 1;  ///< from 1
  int count = 1;
};

/// TOTAL: where the whole ends. FRAME_RATE: 0 where it varies; shards then begin at times, not at
/// frames. Throws Problem: the part is empty.
Part choose_part(GstClockTime total, double frame_rate, GstClockTime frame_duration,
                 std::optional<GstClockTime> start, std::optional<GstClockTime> duration,
                 const Shard& shard);

}  // namespace latentsync::transcode
