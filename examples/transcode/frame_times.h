#pragma once

#include <gst/gst.h>
#include <optional>
#include <span>

namespace latentsync::transcode {

/// Makes the times of frames ascend, so that every container keeps every frame.
///
/// A frame that is not later than the one before it (parts of a recording that overlap) is shown a
/// millisecond after it, until the file's times have caught up. Frames without times of their own
/// (GIF: all at zero) are shown one after the other, each as long as it lasts.
class AscendingTimes {
 public:
  /// TIME: as the file says it, or "none". DURATION: of the same frame, never "none".
  GstClockTime next(GstClockTime time, GstClockTime duration);

 private:
  std::optional<GstClockTime> last_;
  GstClockTime first_in_file_ = GST_CLOCK_TIME_NONE;
  GstClockTime last_duration_ = 0;
  bool has_times_ = false;  ///< the file's times have moved at least once
  bool is_catching_up_ = false;
};

struct FrameRate {
  int numerator = 0;  ///< 0: it varies, or nobody knows
  int denominator = 1;
  GstClockTime duration = 0;  ///< of a frame, at a varying rate of most of them

  bool operator==(const FrameRate&) const = default;
};

/// The rate of a stream that declares DECLARED and whose first frames are shown at TIMES: its own
/// word, but for one that the times contradict by more than half (a wrong rate in the headers of
/// H.264 or H.265 in a transport stream).
FrameRate believable_rate(const FrameRate& declared, std::span<const GstClockTime> times);

}  // namespace latentsync::transcode
