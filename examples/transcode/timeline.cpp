#include "examples/transcode/timeline.h"

#include "examples/transcode/problem.h"

#include <algorithm>
#include <cmath>

namespace latentsync::transcode {
namespace {

GstClockTime boundary(GstClockTime begin, GstClockTime end, double rate, int index, int count) {
  const double part = double(index) / count;
  if (rate <= 0) {
    return begin + GstClockTime(part * double(end - begin));
  }
  const double first = std::round(double(begin) / GST_SECOND * rate);
  const double last = std::round(double(end) / GST_SECOND * rate);
  return GstClockTime(std::round((first + std::floor(part * (last - first))) / rate * GST_SECOND));
}

GstClockTime time_of(const Timeline& whole, guint64 frame) {
  return GstClockTime(std::llround(double(frame) / whole.frame_rate * GST_SECOND));
}

/// The frame that is shown at TIME, rounded as containers do.
guint64 frame_at(const Timeline& whole, GstClockTime time) {
  return guint64(double(time + kRounding) / GST_SECOND * whole.frame_rate);
}

GstClockTime feed_begin(const Timeline& whole, GstClockTime begin) {
  const auto window = guint64(whole.window_frames);
  if (whole.frame_rate <= 0) {
    const GstClockTime lead = (kLeadInFrames + window) * whole.frame_duration;
    return begin > lead ? begin - lead : 0;
  }
  const guint64 first = frame_at(whole, begin) / window * window;
  return first > kLeadInFrames ? time_of(whole, first - kLeadInFrames) : 0;
}

GstClockTime feed_end(const Timeline& whole, GstClockTime end) {
  const auto window = guint64(whole.window_frames);
  if (whole.frame_rate <= 0) {
    return end + window * whole.frame_duration;
  }
  const double frames = double(end - std::min(end, kRounding)) / GST_SECOND * whole.frame_rate;
  return time_of(whole, (guint64(std::ceil(frames)) + window - 1) / window * window);
}

}  // namespace

bool Part::keeps(GstClockTime time) const {
  return time + kRounding >= begin && time + kRounding < end;
}

bool Part::feeds(GstClockTime time) const {
  return time + kRounding >= feed_begin && time + kRounding < feed_end;
}

Part choose_part(const Timeline& whole, std::optional<GstClockTime> start,
                 std::optional<GstClockTime> duration, const Shard& shard) {
  Part part;
  const GstClockTime begin = start.value_or(0);
  const GstClockTime total = whole.total;
  if (begin >= total) {
    throw Problem(
        "--start is " + seconds_text(begin) + ", but there are only " + seconds_text(total),
        kNoRetry);
  }
  const GstClockTime end =
      duration && *duration < total - begin ? begin + *duration : total + kRounding;
  const auto boundary_at = [&](int index) {
    return boundary(begin, std::min(end, total), whole.frame_rate, index, shard.count);
  };
  part.begin = shard.index == 1 ? begin : boundary_at(shard.index - 1);
  part.end = shard.index == shard.count ? end : boundary_at(shard.index);
  if (part.end <= part.begin) {
    throw Problem("--shard: there are fewer frames than shards; use fewer", kNoRetry);
  }
  part.feed_begin = feed_begin(whole, part.begin);
  part.feed_end = part.end > total ? GST_CLOCK_TIME_NONE - kRounding : feed_end(whole, part.end);
  return part;
}

}  // namespace latentsync::transcode
