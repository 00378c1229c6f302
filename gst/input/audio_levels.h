#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// How loud audio is, and which frames have nothing to say. Pure, and a function of the samples and
/// times alone: a stream, a file and a seek give the same.
namespace latentsync {

/// The mean power of blocks of 10 ms, which lie on multiples of that on the timeline. What is not
/// known is silence.
class AudioLevels {
 public:
  AudioLevels() = default;
  /// Samples from index START on.
  AudioLevels(std::span<const float> samples, int64_t start);

  /// Whether all blocks within [BEGIN_NS, END_NS) are below this power; 1 is full scale.
  bool below(double power, int64_t begin_ns, int64_t end_ns) const;

 private:
  int64_t first_ = 0;  ///< number of the first block
  std::vector<float> powers_;
};

/// The frames at these times that are quiet: the audio within 60 ms of each, before and after, is
/// below THRESHOLD (dBFS). So a pause of less than 120 ms has no quiet frames.
std::vector<bool> quiet_frames(const AudioLevels& levels, std::span<const int64_t> times_ns,
                               double threshold);

/// How far a quiet frame's audio is looked at, before and after it.
inline constexpr int64_t kQuietNs = 60'000'000;
/// Frames in which an edit fades, where it ends or begins in the middle of a shot.
inline constexpr int kFadeFrames = 3;
/// The weight of an edit in the frame that is so many frames from the first or last edited one.
inline float fade_weight(size_t distance) {
  return std::min(1.0F, static_cast<float>(distance + 1) / (kFadeFrames + 1));
}

/// The weights of the edit, 0 to 1, where quiet frames are not edited: it fades over the first and
/// last kFadeFrames of them. FRAME_NS: from one frame to the next, for those outside the window.
std::vector<float> quiet_weights(const AudioLevels& levels, std::span<const int64_t> times_ns,
                                 int64_t frame_ns, double threshold);

}  // namespace latentsync
