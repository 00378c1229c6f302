#include "examples/transcode/timeline.h"

#include "examples/transcode/problem.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace latentsync::transcode {
namespace {

/// Matroska's timestamps are whole milliseconds.
constexpr GstClockTime kRounding = GST_MSECOND;
constexpr GstClockTime kLeadInFrames = 32;
constexpr GstClockTime kLongestWindow = 24;

GstClockTime boundary(GstClockTime begin, GstClockTime end, double rate, int index, int count) {
  const double part = double(index) / count;
  if (rate <= 0) {
    return begin + GstClockTime(part * double(end - begin));
  }
  const double first = std::round(double(begin) / GST_SECOND * rate);
  const double last = std::round(double(end) / GST_SECOND * rate);
  return GstClockTime(std::round((first + std::floor(part * (last - first))) / rate * GST_SECOND));
}

std::string seconds(GstClockTime time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", double(time) / GST_SECOND);
  return text;
}

}  // namespace

bool Part::keeps(GstClockTime time) const {
  return time + kRounding >= begin && time + kRounding < end;
}

bool Part::feeds(GstClockTime time) const {
  return time + kRounding >= feed_begin && time + kRounding < feed_end;
}

Part choose_part(GstClockTime total, double frame_rate, GstClockTime frame_duration,
                 std::optional<GstClockTime> start, std::optional<GstClockTime> duration,
                 const Shard& shard) {
  Part part;
  const GstClockTime begin = start.value_or(0);
  if (begin >= total) {
    throw Problem("--start is " + seconds(begin) + ", but there are only " + seconds(total));
  }
  const GstClockTime end =
      duration && *duration < total - begin ? begin + *duration : total + kRounding;
  part.begin = shard.index == 1 ? begin
                                : boundary(begin, std::min(end, total), frame_rate, shard.index - 1,
                                           shard.count);
  part.end = shard.index == shard.count
                 ? end
                 : boundary(begin, std::min(end, total), frame_rate, shard.index, shard.count);
  if (part.end <= part.begin) {
    throw Problem("--shard: there are fewer frames than shards; use fewer");
  }
  const GstClockTime lead = kLeadInFrames * frame_duration;
  part.feed_begin = part.begin > lead ? part.begin - lead : 0;
  part.feed_end = part.end > total ? GST_CLOCK_TIME_NONE - kRounding
                                   : part.end + kLongestWindow * frame_duration;
  return part;
}

}  // namespace latentsync::transcode
