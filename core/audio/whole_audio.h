#pragma once

#include "core/audio/audio_features.h"

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace latentsync::audio {

enum class WholeMode {
  /// Overlapping blocks that fade into each other, silence after the audio's end. What a last
  /// block has behind the audio, as far as its rows of audio see it, is the model's own
  /// (BlockFill).
  kSeamless,
  /// As the reference does it: cuts at every 30 s, each block on its own; zeros of the normalised
  /// log-mel as padding; after the end the last row again.
  kReference,
};

/// Audio features for files (`audio-context` whole): append everything, finish(), then ask for
/// frames in any order.
///
/// Holds the spectrogram (32 kB per second of audio, half of its samples) and the states of three
/// blocks; blocks are encoded when a frame first needs them. The same frame times give the same
/// bytes in whatever order they are asked for and however the samples were split over append().
/// For one thread at a time; several may share the encoder.
class WholeAudio {
 public:
  /// FILL: of kSeamless; kReference has zeros.
  explicit WholeAudio(std::shared_ptr<WhisperEncoder> encoder,
                      WholeMode mode = WholeMode::kSeamless, BlockFill fill = BlockFill::kSilence);

  /// Mono samples at 16 kHz, full scale 1. Errors: kInvalidArgument after finish().
  void append(std::span<const float> samples);

  /// The audio is complete.
  void finish();

  /// Feature rows of the audio: samples / 320. Errors: kInvalidArgument before finish(), also for
  /// the two below.
  int64_t rows() const;

  /// The frames' slices [F, 10 * layers, d] in the encoder's precision, on its device.
  /// Errors: kInvalidArgument in kReference mode for audio of less than a row.
  at::Tensor features(std::span<const int64_t> frame_times_ns);

  /// Bytes held: the spectrogram, samples not yet in it, states of recent blocks.
  int64_t stored_bytes() const;

 private:
  void compute_columns(int64_t until);
  at::Tensor block_mel(int64_t block) const;
  at::Tensor block_states(int64_t block, BlockFill fill);
  void require_finished() const;

  std::shared_ptr<WhisperEncoder> encoder_;
  WholeMode mode_;
  BlockFill fill_;
  BlockGrid grid_;
  LogMel log_mel_;

  std::vector<float> tail_;  // the samples from tail_start_ on
  int64_t tail_start_ = 0;
  int64_t columns_ = 0;
  bool finished_ = false;
  double maximum_ = kSilentLogPower;
  std::vector<at::Tensor> chunks_;  // [n_mels, kColumnsPerChunk], the last one shorter
  // States of blocks, the last used one first.
  std::list<std::pair<std::pair<int64_t, BlockFill>, at::Tensor>> recent_;
};

}  // namespace latentsync::audio
