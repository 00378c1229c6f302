#pragma once

#include "core/audio/whisper_encoder.h"
#include "examples/train/audio_head.h"
#include "examples/train/audio_windows.h"
#include "examples/train/optimiser.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace latentsync::train {

struct AudioTrainingOptions {
  int64_t windows = 2;          ///< of 30 s, in a step
  double dropout = 0.05;        ///< of tokens' values, in front of the head
  double feature_decay = 1e-4;  ///< times the mean square of the tokens
  double average = 0.995;       ///< of the weights
};

/// A frame's tokens in an encoder's states: the ten rows from four before to five after, all layers
/// of a row together, as core/audio slices them.
///
/// states [B, layers, rows, width]; window, row: int64 [N], the row of each frame -> [N, 10 layers,
/// width]. Rows outside are the first or the last one.
at::Tensor frame_tokens(const at::Tensor& states, const at::Tensor& window, const at::Tensor& row);

/// Parameters for a new audio encoder whose attention heads look at one place each: in the first
/// layer up to four rows and a half before or after, in each one after it twice as far. Heads that
/// look everywhere at first must find out what is near, which takes longer than all the rest.
void initialise_encoder(audio::WhisperEncoder& encoder, int64_t seed);

/// Trains an audio encoder to tell the mouth from the sound.
class AudioTraining {
 public:
  /// ENCODER: initialised, in its working type on its device. DATASET must outlive this object.
  AudioTraining(std::shared_ptr<audio::WhisperEncoder> encoder, const Dataset& dataset,
                const AudioTrainingOptions& options, int64_t seed);

  /// One step; returns the loss.
  double step(double learning_rate, Random& random);

  /// Mean correlation of the predicted opening with the true one over CLIPS, each alone and begun
  /// in its middle, with the averaged weights.
  double opening_correlation(const std::vector<const Clip*>& clips);

  Optimiser& optimiser() { return *optimiser_; }

 private:
  /// As many as a step takes, of clips drawn anew.
  std::vector<AudioWindow> make_windows(Random& random) const;

  std::shared_ptr<audio::WhisperEncoder> encoder_;
  std::shared_ptr<AudioHead> head_;
  std::shared_ptr<nn::Module> both_;
  std::vector<const Clip*> clips_;
  ClipSampler sampler_;
  AudioWindows windows_;
  AudioTrainingOptions options_;
  std::unique_ptr<Optimiser> optimiser_;
};

/// Pearson's correlation of two sequences of one length, the second one shifted by each of -LAG to
/// LAG frames; the best one. 0 where a sequence does not change.
double best_correlation(const at::Tensor& a, const at::Tensor& b, int64_t lag);

}  // namespace latentsync::train
