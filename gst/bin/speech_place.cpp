#include "gst/bin/speech_place.h"

#include "gst/input/timeline.h"

#include <algorithm>
#include <cstdlib>

namespace latentsync {
namespace {

int64_t signed_or_zero(guint64 time) {
  return GST_CLOCK_TIME_IS_VALID(time) ? static_cast<int64_t>(time) : 0;
}

}  // namespace

SpeechPlace place_speech(const GstSegment& video, const SpeechShift& shift, int64_t context) {
  SpeechPlace place;
  gst_segment_init(&place.segment, GST_FORMAT_TIME);
  const double rate = video.rate * video.applied_rate;
  place.backwards = rate <= 0;
  if (place.backwards) {
    place.segment = video;
    return place;
  }
  place.shift = shift.first_offset;
  // The buffer's time at the running time `base`.
  const int64_t media = signed_or_zero(video.time) + shift.in_point +
                        scale_time(signed_or_zero(video.offset), video.applied_rate);
  const int64_t at_base = media + place.shift - shift.offset;
  const int64_t start = std::max<int64_t>(at_base - context, 0);
  GstSegment& segment = place.segment;
  segment.rate = rate;
  segment.start = segment.time = segment.position = static_cast<guint64>(start);
  segment.base = video.base;
  if (at_base >= start) {
    segment.offset = static_cast<guint64>(at_base - start);
  } else {
    segment.base += static_cast<guint64>(scale_time(start - at_base, 1 / rate));
  }
  place.file_start = std::max<int64_t>(start - place.shift, 0);
  return place;
}

bool is_same_place(const SpeechPlace& a, const SpeechPlace& b) {
  if (a.backwards != b.backwards || a.shift != b.shift) return false;
  if (a.backwards) return true;
  if (a.segment.rate != b.segment.rate) return false;
  const int64_t running = running_time(a.segment, b.segment.start);
  // Demuxers round twice.
  return std::abs(running - running_time(b.segment, b.segment.start)) <= GST_USECOND;
}

int64_t speech_time(const SpeechPlace& place, int64_t running_ns) {
  const GstSegment& segment = place.segment;
  const int64_t since = running_ns - running_time(segment, segment.start);
  return static_cast<int64_t>(segment.start) + scale_time(since, segment.rate);
}

GstSegment segment_from(const GstSegment& video, int64_t running_ns) {
  GstSegment segment = video;
  const int64_t base = static_cast<int64_t>(video.base);
  const int64_t since = std::max<int64_t>(running_ns - base, 0);
  const int64_t media = scale_time(since, video.rate * video.applied_rate);
  segment.time =
      static_cast<guint64>(signed_or_zero(video.time) +
                           scale_time(signed_or_zero(video.offset), video.applied_rate) + media);
  segment.offset = 0;
  segment.base = static_cast<guint64>(base + since);
  return segment;
}

}  // namespace latentsync
