#pragma once

#include <functional>
#include <gst/audio/audio.h>

namespace latentsync::transcode {

/// Of any raw interleaved audio, 20 ms at a time: the root of the mean square over all channels, in
/// dB below full scale, not below kSilence.
class LoudnessMeter {
 public:
  static constexpr double kSilence = -96;
  /// BEGIN and END of a block, and how loud it is.
  using Report = std::function<void(GstClockTime begin, GstClockTime end, double level)>;

  explicit LoudnessMeter(Report report) : report_(std::move(report)) {}

  /// BUFFER, whose first sample lies at TIME, in the format INFO. A block ends with a gap, and
  /// where the format changes. What cannot be read is left out.
  void add(GstBuffer* buffer, const GstAudioInfo& info, GstClockTime time);
  /// The block that is not full yet.
  void finish();

 private:
  void add(double square, GstClockTime time, GstClockTime duration);

  Report report_;
  GstClockTime begin_ = 0;  ///< of the block
  GstClockTime end_ = 0;    ///< of what it has
  double squares_ = 0;
  guint64 count_ = 0;
};

}  // namespace latentsync::transcode
