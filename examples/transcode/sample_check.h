#pragma once

#include <gst/audio/audio.h>
#include <span>

namespace latentsync::transcode {

struct SampleFaults {
  bool not_numbers = false;   ///< NaN or infinite
  bool far_too_loud = false;  ///< more than decoders and mixers come to
};

/// Makes samples of a floating-point FORMAT such as every encoder takes: what is no number becomes
/// 0, what is beyond full scale is clipped. SAMPLES of other formats stay as they are.
SampleFaults clean_samples(GstAudioFormat format, std::span<guint8> samples);

}  // namespace latentsync::transcode
