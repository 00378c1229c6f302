#pragma once

#include <cstdint>
#include <gst/gst.h>
#include <optional>

/// Where the speech of a video segment is: pure arithmetic on signed nanoseconds.
///
/// Three times: the video's media time (its stream time, in an editor with the clip's in-point),
/// the file time of the speech (media time less the offset), and the time of the buffers that go to
/// audio_sink. The latter is the media time, so that frames and samples have the same times in
/// every run, wherever it begins.
namespace latentsync {

struct SpeechPlace {
  GstSegment segment;      ///< for audio_sink: its running time is the video's
  int64_t file_start = 0;  ///< the file is read from here on, not negative
  int64_t shift = 0;       ///< time of a buffer less its file time
  bool backwards = false;  ///< no speech belongs to it
};

struct SpeechShift {
  int64_t in_point = 0;      ///< media time less stream time
  int64_t offset = 0;        ///< audio-offset: the speech comes so much later
  int64_t first_offset = 0;  ///< the offset of the run's first segment: times of buffers keep to it
};

/// The speech of VIDEO, a segment in time, from CONTEXT before its begin on.
SpeechPlace place_speech(const GstSegment& video, const SpeechShift& shift, int64_t context);

/// Whether both mean the same sample at each running time.
bool is_same_place(const SpeechPlace& a, const SpeechPlace& b);

/// The time of the buffer that is heard at a running time.
int64_t speech_time(const SpeechPlace& place, int64_t running_ns);

/// The segment VIDEO from RUNNING_NS on.
GstSegment segment_from(const GstSegment& video, int64_t running_ns);

}  // namespace latentsync
