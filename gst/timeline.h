#pragma once

#include <cstdint>
#include <gst/gst.h>

/// The timeline on which frames and audio meet: running time, with the segment's rate taken out, so
/// that 16 000 samples are a second of it at any rate. Signed: a frame may lie before its segment.
namespace latentsync {

constexpr int64_t kSampleRate = 16000;

/// Nanoseconds. SEGMENT is in time format, with a positive rate.
int64_t timeline_time(const GstSegment& segment, GstClockTime timestamp);

/// Running time in nanoseconds, negative before the segment.
int64_t running_time(const GstSegment& segment, GstClockTime timestamp);

/// Stream time in nanoseconds, negative before the segment's own start.
int64_t stream_time(const GstSegment& segment, GstClockTime timestamp);

/// The sample nearest to a time, and the time of a sample.
int64_t sample_index(int64_t time_ns);
int64_t sample_time(int64_t index);

}  // namespace latentsync
