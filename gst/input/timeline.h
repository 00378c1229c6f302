#pragma once

#include <cstdint>
#include <gst/gst.h>

/// Where frames and samples meet: running time. Samples have an index, 16 000 for each second of
/// the audio itself, so an index is the running time multiplied by the rate of the audio's segment.
/// All times are signed nanoseconds: a frame may lie before its segment.
namespace latentsync {

constexpr int64_t kSampleRate = 16000;

/// Running time, negative before the segment.
int64_t running_time(const GstSegment& segment, GstClockTime timestamp);

/// Stream time, negative before the segment's own start.
int64_t stream_time(const GstSegment& segment, GstClockTime timestamp);

/// A running time in the audio's own time, at RATE.
int64_t scale_time(int64_t running_ns, double rate);

/// The sample nearest to a time, and the time of a sample.
int64_t sample_index(int64_t time_ns);
int64_t sample_time(int64_t index);

}  // namespace latentsync
