#pragma once

#include "core/audio/feature_grid.h"
#include "core/audio/log_mel.h"
#include "core/audio/whisper_encoder.h"

#include <cstdint>
#include <memory>
#include <span>

namespace latentsync::audio {

/// How far a frame's last row reaches, with what its two columns and their windows need: 120 ms.
inline constexpr int64_t kShortestLookaheadNs = (kRowsPerFrame - kRowsBeforeFrame) * kRowDurationNs;

/// Samples [begin, end) of the timeline.
struct SampleRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The normalised log-mel behind the audio in a block that is filled so, given the maximum that
/// normalise_log_mel() was given.
double padding_of(BlockFill fill, double maximum);

/// States of one block of audio: normalised log-mel [n_mels, columns], on the right filled up to
/// the encoder's length with PADDING, through the encoder; [n_audio_ctx, layers, d]. Records no
/// gradients.
at::Tensor encode_block(WhisperEncoder& encoder, const at::Tensor& mel, double padding);

/// Audio features for streams (`audio-context` sliding): a window of frames sees at most 30 s of
/// audio, ending `lookahead` after its last frame.
///
/// The blocks lie on the grid of WholeAudio, each one cut where the look-ahead ends; so a frame has
/// the same place in its block, and the same past, as in WholeAudio, and a stream differs from a
/// file by the unknown future only. Its place is taken by the block's spectrogram played backwards
/// and forwards: in front of silence the encoder gives other states (docs/audio.md). Stateless: the
/// result is a function of the samples and the times, whatever was asked before and however the
/// samples were buffered.
class SlidingAudio {
 public:
  /// FILL: of a block behind the end of the audio, not of the unknown future. Errors:
  /// kInvalidArgument for a lookahead that is shorter than a frame's own features (120 ms).
  SlidingAudio(std::shared_ptr<WhisperEncoder> encoder, int64_t lookahead_ns = 500'000'000,
               BlockFill fill = BlockFill::kSilence);

  /// The samples that features(times) depends on: 24 s, the window and the look-ahead at most.
  /// Times are nanoseconds on the audio's timeline, sample i lies at i / 16000 s. Errors:
  /// kInvalidArgument for no frames.
  SampleRange needed(std::span<const int64_t> frame_times_ns) const;

  /// The frames' slices [F, 10 * layers, d] in the encoder's precision, on its device.
  /// CONTEXT are samples (mono, 16 kHz, full scale 1) from CONTEXT_START on. What is outside
  /// needed() is not looked at; where CONTEXT begins later than that, the missing past is silence;
  /// where it ends earlier, the audio has ended there, with silence behind it as in WholeAudio.
  at::Tensor features(std::span<const float> context, int64_t context_start,
                      std::span<const int64_t> frame_times_ns);

 private:
  std::shared_ptr<WhisperEncoder> encoder_;
  BlockGrid grid_;
  LogMel log_mel_;
  int64_t lookahead_ns_;
  BlockFill fill_;
};

}  // namespace latentsync::audio
