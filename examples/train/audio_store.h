#pragma once

#include "core/audio/whisper_encoder.h"
#include "examples/train/audio_windows.h"

#include <cstdint>
#include <map>
#include <vector>

namespace latentsync::train {

/// A trained encoder's states of all training clips, each clip several times: alone with either
/// filling, and among others with its sound changed.
class AudioStore {
 public:
  /// ALONE: at most so many clips are encoded alone; PACKED: how often each one is among others.
  AudioStore(const Dataset& dataset, audio::WhisperEncoder& encoder, int64_t alone, int64_t packed,
             Random& random);

  /// Tokens of frame[i] of clip[i]: [N, 10 layers, width] in the encoder's type. A clip comes in
  /// one of its versions, drawn once for each RUN consecutive entries.
  at::Tensor take(const std::vector<const Clip*>& clip, const std::vector<int64_t>& frame,
                  int64_t run, Random& random) const;

 private:
  void add(const AudioWindow& window, audio::WhisperEncoder& encoder);

  at::Tensor states_;  // [rows, layers * width]
  std::vector<at::Tensor> pieces_;
  int64_t layers_, rows_ = 0;
  std::map<const Clip*, std::vector<int64_t>> first_row_;  // of each version's frame 0
};

/// A clip's tokens alone, as at inference: [T, 10 layers, width].
at::Tensor tokens_alone(const Clip& clip, audio::WhisperEncoder& encoder);

}  // namespace latentsync::train
