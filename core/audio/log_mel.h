#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

/// The log-mel spectrogram that Whisper was trained on (source:
/// latentsync/whisper/whisper/audio.py, librosa's slaney filters). All arithmetic is float32,
/// whatever the precision of the models.
namespace latentsync::audio {

inline constexpr int64_t kSampleRate = 16000;
inline constexpr int64_t kFourierSize = 400;       ///< samples under one column's window
inline constexpr int64_t kSamplesPerColumn = 160;  ///< 100 columns a second
inline constexpr double kSilentLogPower = -10;     ///< log10 of the power floor

/// Samples of a timeline that begins at sample 0 and ends before `end`.
/// `samples` are those from `start` on; whatever of the timeline lies outside of them is silence.
/// At its two ends the timeline is mirrored, without repeating the edge sample.
struct Signal {
  std::span<const float> samples;
  int64_t start = 0;
  int64_t end = 0;
};

/// Triangular slaney filters [bands, kFourierSize / 2 + 1] for 0..8 kHz, float32, CPU.
at::Tensor mel_filters(int64_t bands = 80);

/// log10(mel power) [bands, columns] -> the encoder's input: nothing lower than MAXIMUM - 8, then
/// (x + 4) / 4. MAXIMUM is the largest value of the whole clip, or of the context that stands for
/// it.
at::Tensor normalise_log_mel(const at::Tensor& log_power, double maximum);

class LogMel {
 public:
  explicit LogMel(c10::Device device = c10::kCPU, int64_t bands = 80);

  /// log10 of the mel power, at least kSilentLogPower: [bands, columns] float32 on the device.
  /// Column c is centred at sample 160 c. Samples that are not finite count as silence, and those
  /// beyond +-256 are clipped there, so that one bad buffer cannot turn all features into NaN.
  /// Errors: kInvalidArgument for a negative column or count.
  at::Tensor log_power(const Signal& signal, int64_t first_column, int64_t columns) const;

  /// The reference's spectrogram of a whole clip: [bands, samples / 160], normalised with its own
  /// maximum. Clips shorter than the mirror (201 samples, where the reference fails) are taken as
  /// followed by silence; fewer than 160 samples give no column.
  at::Tensor whole_clip(std::span<const float> samples) const;

 private:
  at::Tensor window_;   // [kFourierSize]
  at::Tensor filters_;  // [bands, kFourierSize / 2 + 1]
};

}  // namespace latentsync::audio
