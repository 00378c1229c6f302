#pragma once

#include "core/audio/block_fill.h"
#include "core/audio/log_mel.h"
#include "examples/train/dataset.h"

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

/// How a clip's sound is changed.
struct SoundChange {
  double speed = 1;  ///< above 1: shorter
  double gain = 1;
  double tilt = 0;   ///< -1 to 1: brighter to duller, a filter of first order
  double noise = 0;  ///< its deviation over the sound's
  double dull = 0;   ///< 0 to 1: the noise's own low pass
  double echo = 0;   ///< how much of a decaying random tail is added
};

SoundChange draw_sound_change(Random& random);

/// What stands behind the sound in a model that the trainer writes.
inline constexpr auto kBlockFill = audio::BlockFill::kSilence;

/// Whether speech becomes slower and quicker; where it does, bands of the spectrogram are masked,
/// and half of the clips begin anywhere, so that no place in a sentence tells what is said.
enum class Pace { kKept, kChanged };

/// One of the clips in a window.
struct Placed {
  const Clip* clip = nullptr;
  int64_t first_row = 0;  ///< of the window, in which the clip's first frame lies
  at::Tensor mouth;       ///< float32 [F, Clip::kMouthValues] of its frames at the new speed
};

/// The encoder's input and what lies where in it.
struct AudioWindow {
  at::Tensor mel;  ///< float32 [bands, 2 rows], normalised
  std::vector<Placed> placed;
};

/// Makes windows of ROWS rows (20 ms each).
class AudioWindows {
 public:
  AudioWindows(int64_t rows, int64_t bands);

  /// One clip alone from the first row on, unchanged: as at inference.
  AudioWindow alone(const Clip& clip) const;
  /// Clips one after the other with random gaps, each changed, until the window or the list ends;
  /// NEXT is the list's position and goes on. None may be longer than most_frames().
  AudioWindow packed(const std::vector<const Clip*>& clips, size_t& next, Random& random,
                     Pace pace) const;
  /// What fits a window wherever it begins and however slow it is: 25 s of 30.
  int64_t most_frames() const;

 private:
  at::Tensor mel_of(const std::vector<float>& sound, audio::BlockFill fill) const;

  int64_t rows_;
  audio::LogMel log_mel_;
};

}  // namespace latentsync::train
