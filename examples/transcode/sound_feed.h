#pragma once

#include "examples/transcode/channel_mixer.h"
#include "examples/transcode/media_reader.h"
#include "examples/transcode/output_format.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// The sound of the output: a part of a reader's, in one format that the codec takes, without a gap
/// from the part's beginning to its end. Where the reader has no sample there is silence. Samples
/// that are no numbers are silent, those beyond full scale are clipped.
class SoundFeed {
 public:
  using Warn = std::function<void(const std::string&)>;

  /// READER's next buffer is its first. Throws Problem: it has none.
  SoundFeed(MediaReader& reader, const SoundLimits& limits);

  /// What comes is what is in [BEGIN, END) of the reader's timeline, moved to be later by OFFSET.
  /// Before the first next() only.
  void choose(GstClockTime begin, GstClockTime end, GstClockTimeDiff offset);
  /// Gets what the user should know, from the thread that calls next(), each thing once.
  void set_warn(Warn warn) { warn_ = std::move(warn); }
  /// Where the reader's sound begins.
  GstClockTime first_time() const { return first_time_; }
  /// Of the part, in the reader's rate.
  guint64 samples() const { return last_ - first_; }
  /// What next() gave so far.
  GstClockTime written() const { return time_of(next_ - first_); }

  /// The next samples, their times from the part's beginning on; an empty unit at the end. Throws
  /// Problem.
  Unit next();

 private:
  guint64 sample_at(GstClockTime time) const;
  gint64 begin_of_pending() const;
  GstClockTime time_of(guint64 samples) const;
  Unit silence(guint64 samples);
  Unit place(Unit unit, guint64 skip);
  Unit finished(BufferPtr buffer, guint64 samples);
  void clean(GstBuffer* buffer);
  void check_format(const Unit& unit) const;
  void warn_once(bool& said, const std::string& text);

  MediaReader& reader_;
  Warn warn_;
  CapsPtr input_caps_;
  GstAudioInfo input_;
  std::optional<ChannelMixer> mixer_;
  GstAudioInfo output_;
  CapsPtr output_caps_;
  std::string rate_remark_;
  GstClockTime first_time_ = 0;
  Unit pending_;       ///< read ahead
  gint64 offset_ = 0;  ///< samples by which the output is later than the reader
  guint64 first_ = 0;  ///< samples of the output's timeline
  guint64 last_ = 0;
  guint64 next_ = 0;  ///< all before were given
  bool began_ = false;
  bool heard_ = false;  ///< a sample of the reader was given
  bool said_silent_ = false;
  bool said_numbers_ = false;
  bool said_loud_ = false;
};

}  // namespace latentsync::transcode
