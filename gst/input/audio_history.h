#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Samples by their index on the timeline (gst/input/timeline.h). What never arrived is silence.
/// Pure data: no thread of its own, no GStreamer.
namespace latentsync {

class AudioHistory {
 public:
  /// Times that differ from the count of samples by no more than this are taken for rounding.
  static constexpr int64_t kTolerance = 640;  // 40 ms
  /// A longer hole than this is not filled: what lies before it is forgotten.
  static constexpr int64_t kLongestHole = 60 * 16000;
  /// The same where all is kept.
  static constexpr int64_t kLongestKeptHole = 3600 * 16000;

  explicit AudioHistory(bool keeps_all = false) : keeps_all_(keeps_all) {}

  /// Samples whose first one belongs at INDEX. They follow the ones before without a break where
  /// INDEX is within the tolerance of that, unless RESYNC says that the count starts anew. What
  /// was known from there on is replaced.
  void append(int64_t index, std::span<const float> samples, bool resync);

  /// COUNT samples of silence from INDEX on; placed as append() does.
  void append_silence(int64_t index, int64_t count, bool resync);

  /// All before INDEX that has not arrived is silence.
  void advance(int64_t index);

  /// No more samples will come: all that follows is silence.
  void finish() { finished_ = true; }
  bool finished() const { return finished_; }
  /// More may come after all.
  void resume() { finished_ = false; }

  /// Whether everything before END is known.
  bool covers(int64_t end) const { return finished_ || (started_ && end_ >= end); }

  bool started() const { return started_; }
  /// One past the last known sample; 0 before the first one.
  int64_t end() const { return end_; }
  /// The first sample that is still kept.
  int64_t begin() const { return begin_; }

  /// Samples [begin, end), silence where there are none.
  std::vector<float> slice(int64_t begin, int64_t end) const;

  /// Forgets what lies from INDEX on.
  void cut(int64_t index);

  /// Forgets what lies before INDEX.
  void trim(int64_t index);

  void reset() { *this = AudioHistory(keeps_all_); }

 private:
  /// Where samples at INDEX go; makes room for them.
  void seek(int64_t index, bool resync);
  void fill();
  int64_t longest_hole() const { return keeps_all_ ? kLongestKeptHole : kLongestHole; }

  std::vector<float> samples_;  ///< from begin_ on; what is missing up to end_ is silence
  int64_t begin_ = 0;
  int64_t end_ = 0;
  bool keeps_all_;
  bool started_ = false;
  bool finished_ = false;
};

}  // namespace latentsync
