#pragma once

#include <cstdint>
#include <gst/audio/audio.h>
#include <memory>
#include <optional>
#include <vector>

namespace latentsync {

/// A piece of mono audio at 16 kHz.
struct Sound {
  GstClockTime time = GST_CLOCK_TIME_NONE;  ///< none: it follows the piece before
  bool discontinuity = false;
  std::vector<float> samples;  ///< at full scale 1
  int64_t silence = 0;         ///< samples of silence instead
};

/// Makes mono at 16 kHz of interleaved raw audio. Mono at 16 kHz in F32LE and S16LE is taken as it
/// is. Everything else is converted in runs: buffers that follow each other without a break. The
/// samples of a run do not depend on how it is cut into buffers, and the one at index i is that of
/// i / 16 000 s after the run's begin: the resampler's delay, which holds some back until more
/// arrives or the run ends, does not move them.
///
/// Of audio_sink's streaming thread.
class SpeechReader {
 public:
  /// Times that differ from the count of samples by no more than this are taken for rounding.
  static constexpr GstClockTimeDiff kTolerance = 40 * GST_MSECOND;

  /// False for audio that cannot be converted. drain() before it.
  bool set_format(const GstAudioInfo& info);
  bool has_format() const { return info_.finfo != nullptr; }
  const GstAudioInfo& format() const { return info_; }

  /// What BUFFER adds: up to two pieces, the end of the run before and its own. Maps it: not with a
  /// lock held.
  std::vector<Sound> read(GstBuffer* buffer);
  /// The run ends: what has been held back.
  Sound drain();
  /// Forgets the run.
  void reset();

 private:
  struct Free {
    void operator()(GstAudioConverter* converter) const { gst_audio_converter_free(converter); }
  };

  bool continues(GstBuffer* buffer) const;
  void begin(GstBuffer* buffer);
  /// FRAMES of DATA, or of silence where it is null.
  void convert(const guint8* data, size_t frames, std::vector<float>& samples);
  Sound piece(std::vector<float> samples);

  GstAudioInfo info_ = {};
  std::unique_ptr<GstAudioConverter, Free> converter_;  ///< null: as it is
  std::vector<guint8> silence_;
  bool running_ = false;
  GstClockTime begin_ = GST_CLOCK_TIME_NONE;  ///< of the run
  bool discontinuity_ = false;                ///< its first buffer said so
  bool given_ = false;                        ///< its first samples have been given
  uint64_t read_ = 0;                         ///< frames of the run
  uint64_t made_ = 0;                         ///< samples of the run
};

}  // namespace latentsync
