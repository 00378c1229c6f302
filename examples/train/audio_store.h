#pragma once

#include "core/audio/whisper_encoder.h"
#include "examples/train/audio_windows.h"

#include <cstdint>
#include <future>
#include <map>
#include <vector>

namespace latentsync::train {

/// A trained encoder's states of all training clips, each clip several times: among others, with
/// its sound changed. Clips are encoded anew all the time, the ones that are drawn most often most
/// often: a network that meets the same tokens again learns them by heart. Silence is encoded as
/// clips are, among them and alone.
class AudioStore {
 public:
  /// Encodes every clip VERSIONS times. DATASET and ENCODER must outlive this object.
  AudioStore(const Dataset& dataset, audio::WhisperEncoder& encoder, int64_t versions,
             Random& random);

  /// Encodes one window of clips more, in place of their oldest versions.
  void refresh(Random& random);

  /// Tokens of frame[i] of clip[i]: [N, 10 layers, width] in the encoder's type. A clip comes in
  /// one of its versions, drawn once for each RUN consecutive entries.
  at::Tensor take(const std::vector<const Clip*>& clip, const std::vector<int64_t>& frame,
                  int64_t run, Random& random) const;

  /// A clip of sound alone, kQuietFrames long, for take(): nothing at all or faint noise.
  const Clip& quiet(Random& random) const { return quiet_[random() % quiet_.size()]; }
  static constexpr int64_t kQuietFrames = 32;

 private:
  struct Versions {
    std::vector<at::Tensor> states;  // [rows, layers * width], from the first frame's first row on
    int64_t oldest = 0;
  };
  /// Of clips drawn anew, made by another thread.
  std::future<AudioWindow> next_window(uint64_t seed) const;
  void encode(const AudioWindow& window);
  void encode(const std::vector<const Clip*>& clips, Random& random);

  audio::WhisperEncoder& encoder_;
  AudioWindows windows_;
  ClipSampler sampler_;
  std::vector<Clip> quiet_;
  int64_t versions_;
  std::map<const Clip*, Versions> clips_;
  std::future<AudioWindow> next_;  // for refresh(): what it takes must outlive it
};

/// A clip's tokens alone, as at inference: [T, 10 layers, width].
at::Tensor tokens_alone(const Clip& clip, audio::WhisperEncoder& encoder);

}  // namespace latentsync::train
