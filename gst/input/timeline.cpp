#include "gst/input/timeline.h"

#include <cmath>

namespace latentsync {
namespace {

int64_t signed_time(int sign, uint64_t time) {
  return sign < 0 ? -static_cast<int64_t>(time) : static_cast<int64_t>(time);
}

}  // namespace

int64_t running_time(const GstSegment& segment, GstClockTime timestamp) {
  uint64_t time = 0;
  const int sign = gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, timestamp, &time);
  return signed_time(sign, time);
}

int64_t stream_time(const GstSegment& segment, GstClockTime timestamp) {
  uint64_t time = 0;
  const int sign = gst_segment_to_stream_time_full(&segment, GST_FORMAT_TIME, timestamp, &time);
  return signed_time(sign, time);
}

int64_t scale_time(int64_t running_ns, double rate) {
  if (rate == 1) return running_ns;
  return std::llround(static_cast<long double>(running_ns) * static_cast<long double>(rate));
}

int64_t sample_index(int64_t time_ns) {
  // Seconds and the rest apart: the product of a long time and the rate does not fit.
  const int64_t second = GST_SECOND;
  int64_t seconds = time_ns / second;
  int64_t rest = time_ns % second;
  if (rest < 0) {
    rest += second;
    --seconds;
  }
  return seconds * kSampleRate + (rest * kSampleRate + second / 2) / second;
}

int64_t sample_time(int64_t index) {
  return index / kSampleRate * GST_SECOND + index % kSampleRate * GST_SECOND / kSampleRate;
}

}  // namespace latentsync
