#include "examples/transcode/frame_times.h"

#include <algorithm>
#include <gst/video/video.h>
#include <vector>

namespace latentsync::transcode {
namespace {

/// The least that all containers keep apart: Matroska's times are whole milliseconds.
constexpr GstClockTime kTick = GST_MSECOND;
constexpr double kContradiction = 1.5;
/// MP4's rate is the mean of the whole file, from which the beginning of a varying one may differ.
constexpr double kContradictionOfVarying = 3;
constexpr size_t kFewestIntervals = 3;

/// Times are rounded, in Matroska to a millisecond.
bool is_steady(const std::vector<GstClockTime>& sorted) {
  const GstClockTime tolerance =
      std::max(GstClockTime(2 * GST_MSECOND), sorted[sorted.size() / 2] / 10);
  return sorted.back() - sorted.front() <= tolerance;
}

}  // namespace

GstClockTime AscendingTimes::next(GstClockTime time, GstClockTime duration) {
  const bool known = GST_CLOCK_TIME_IS_VALID(time);
  if (!last_) {
    first_in_file_ = time;
    last_ = known ? time : 0;
  } else {
    has_times_ = has_times_ || (known && time != first_in_file_);
    if (!known || !has_times_) {
      last_ = *last_ + last_duration_;
    } else {
      is_catching_up_ = time <= *last_ || (is_catching_up_ && time < *last_ + kTick);
      last_ = is_catching_up_ ? *last_ + kTick : time;
    }
  }
  last_duration_ = std::max<GstClockTime>(duration, kTick);
  return *last_;
}

FrameRate believable_rate(const FrameRate& declared, std::span<const GstClockTime> times) {
  std::vector<GstClockTime> intervals;
  for (size_t frame = 1; frame < times.size(); ++frame) {
    if (times[frame] > times[frame - 1]) {
      intervals.push_back(times[frame] - times[frame - 1]);
    }
  }
  if (declared.numerator <= 0 || intervals.size() < kFewestIntervals) {
    return declared;
  }
  std::sort(intervals.begin(), intervals.end());
  const GstClockTime median = intervals[intervals.size() / 2];
  const double ratio = double(median) / double(declared.duration);
  const bool steady = is_steady(intervals);
  const double limit = steady ? kContradiction : kContradictionOfVarying;
  if (ratio < limit && ratio > 1 / limit) {
    return declared;
  }
  FrameRate rate{.duration = median};
  if (steady) {
    const GstClockTime mean = (times.back() - times.front()) / (times.size() - 1);
    gst_video_guess_framerate(mean, &rate.numerator, &rate.denominator);
    rate.duration = gst_util_uint64_scale_int_round(GST_SECOND, rate.denominator, rate.numerator);
  }
  return rate;
}

}  // namespace latentsync::transcode
