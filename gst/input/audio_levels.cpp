#include "gst/input/audio_levels.h"

#include <algorithm>
#include <cmath>

namespace latentsync {
namespace {

constexpr int64_t kBlockSamples = 160;
constexpr int64_t kBlockNs = 10'000'000;

int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

AudioLevels::AudioLevels(std::span<const float> samples, int64_t start)
    : first_(floor_divide(start, kBlockSamples)) {
  const int64_t before = start - first_ * kBlockSamples;
  const auto count = static_cast<int64_t>(samples.size());
  powers_.resize(static_cast<size_t>((before + count + kBlockSamples - 1) / kBlockSamples));
  for (int64_t i = 0; i < count; ++i) {
    const float sample = samples[static_cast<size_t>(i)];
    powers_[static_cast<size_t>((before + i) / kBlockSamples)] += sample * sample / kBlockSamples;
  }
}

bool AudioLevels::below(double power, int64_t begin_ns, int64_t end_ns) const {
  const auto count = static_cast<int64_t>(powers_.size());
  const int64_t begin = std::clamp<int64_t>(floor_divide(begin_ns, kBlockNs) - first_, 0, count);
  const int64_t end = std::clamp<int64_t>(-floor_divide(-end_ns, kBlockNs) - first_, begin, count);
  return std::all_of(powers_.begin() + begin, powers_.begin() + end,
                     [power](float block) { return block < power; });
}

std::vector<bool> quiet_frames(const AudioLevels& levels, std::span<const int64_t> times_ns,
                               double threshold) {
  const double power = std::pow(10, threshold / 10);
  std::vector<bool> quiet;
  for (const int64_t time : times_ns) {
    quiet.push_back(levels.below(power, time - kQuietNs, time + kQuietNs));
  }
  return quiet;
}

std::vector<float> quiet_weights(const AudioLevels& levels, std::span<const int64_t> times_ns,
                                 int64_t frame_ns, double threshold) {
  std::vector<int64_t> times;
  for (int64_t i = kFadeFrames; i > 0; --i) times.push_back(times_ns.front() - i * frame_ns);
  times.insert(times.end(), times_ns.begin(), times_ns.end());
  for (int64_t i = 1; i <= kFadeFrames; ++i) times.push_back(times_ns.back() + i * frame_ns);
  const std::vector<bool> quiet = quiet_frames(levels, times, threshold);
  std::vector<float> weights;
  for (size_t frame = kFadeFrames; frame + kFadeFrames < times.size(); ++frame) {
    int away = quiet[frame] ? kFadeFrames + 1 : 0;
    for (int i = 1; i <= kFadeFrames; ++i) {
      if (!quiet[frame - i] || !quiet[frame + i]) away = std::min(away, i);
    }
    weights.push_back(1 - static_cast<float>(away) / (kFadeFrames + 1));
  }
  return weights;
}

}  // namespace latentsync
