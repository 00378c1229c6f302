#include "examples/train/audio_windows.h"

#include "core/audio/audio_features.h"
#include "core/audio/feature_grid.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>

namespace latentsync::train {
namespace {

constexpr int64_t kRowsPerFrame = 2;  // 25 frames a second
constexpr int64_t kLatestStart = 60;  // row
constexpr double kSlowest = 0.9, kQuickest = 1.12;
constexpr int64_t kSamples = audio::kSamplesPerRow;

std::vector<float> resampled(const Clip& clip, double speed) {
  const auto given = clip.sound.size(0);
  const auto* sound = clip.sound.const_data_ptr<float>();
  std::vector<float> out(static_cast<size_t>(static_cast<double>(given) / speed));
  for (size_t i = 0; i < out.size(); ++i) {
    const double at = static_cast<double>(i) * speed;
    const auto left = std::min(static_cast<int64_t>(at), given - 1);
    const auto right = std::min(left + 1, given - 1);
    const auto part = static_cast<float>(at - static_cast<double>(left));
    out[i] = sound[left] + part * (sound[right] - sound[left]);
  }
  return out;
}

void add_echo(std::vector<float>& sound, double amount, Random& random) {
  std::normal_distribution<float> normal;
  const auto dry = sound;
  for (int tap = 0; tap < 12; ++tap) {
    const auto delay = static_cast<size_t>(uniform(random, 0.005, 0.25) * audio::kSampleRate);
    const auto height =
        static_cast<float>(amount * normal(random) *
                           std::exp(-12.0 * static_cast<double>(delay) / audio::kSampleRate));
    for (size_t i = delay; i < sound.size(); ++i) sound[i] += height * dry[i - delay];
  }
}

void add_noise(std::vector<float>& sound, const SoundChange& change, Random& random) {
  double power = 0;
  for (const float sample : sound) power += static_cast<double>(sample) * sample;
  const auto height = static_cast<float>(
      change.noise * std::sqrt(power / static_cast<double>(std::max<size_t>(1, sound.size()))));
  // Sums of uniform numbers are normal enough for noise, and quick.
  const auto low = static_cast<float>(change.dull);
  const auto restore = std::sqrt((1 + low) / (1 - low)) * 1.7320508F;
  float state = 0;
  for (float& sample : sound) {
    const auto white = static_cast<float>(static_cast<int32_t>(random() >> 32)) * 4.6566e-10F;
    state = low * state + (1 - low) * white;
    sample += height * restore * state;
  }
}

std::vector<float> changed_sound(const Clip& clip, const SoundChange& change, Random& random) {
  auto sound = resampled(clip, change.speed);
  if (change.echo > 0) add_echo(sound, change.echo, random);
  float before = 0;
  for (float& sample : sound) {
    const float now = sample;
    sample = static_cast<float>(change.gain) * (now + static_cast<float>(change.tilt) * before);
    before = now;
  }
  if (change.noise > 0) add_noise(sound, change, random);
  return sound;
}

at::Tensor mouth_at(const Clip& clip, double speed) {
  const auto last = static_cast<double>(clip.frames() - 1);
  const auto count = static_cast<int64_t>(last / speed) + 1;
  const auto at = at::arange(count, at::kFloat).mul_(speed).clamp_(0, last);
  const auto left = at.floor();
  const auto part = (at - left).unsqueeze(1);
  const auto first = left.to(at::kLong);
  const auto second = (first + 1).clamp_max(clip.frames() - 1);
  return clip.mouth.index_select(0, first) * (1 - part) + clip.mouth.index_select(0, second) * part;
}

}  // namespace

SoundChange draw_sound_change(Random& random) {
  SoundChange change;
  change.speed = uniform(random, kSlowest, kQuickest);
  change.gain = std::pow(10, uniform(random, -12, 6) / 20);
  change.tilt = uniform(random, -0.4, 0.4);
  change.noise = random() % 2 == 0 ? 0 : std::pow(10, -uniform(random, 15, 45) / 20);
  change.dull = random() % 2 == 0 ? 0 : uniform(random, 0.5, 0.98);
  change.echo = random() % 6 == 0 ? uniform(random, 0.05, 0.25) : 0;
  return change;
}

AudioWindows::AudioWindows(int64_t rows, int64_t bands) : rows_(rows), log_mel_(c10::kCPU, bands) {}

int64_t AudioWindows::most_frames() const {
  return static_cast<int64_t>(static_cast<double>(rows_ - kLatestStart) / kRowsPerFrame * kSlowest);
}

at::Tensor AudioWindows::mel_of(const std::vector<float>& sound, audio::BlockFill fill) const {
  const auto count = static_cast<int64_t>(sound.size());
  const auto columns = std::min(count / audio::kSamplesPerColumn, 2 * rows_);
  const auto power = log_mel_.log_power({sound, 0, count}, 0, columns);
  const double maximum = power.max().item<double>();
  return at::constant_pad_nd(audio::normalise_log_mel(power, maximum), {0, 2 * rows_ - columns},
                             audio::padding_of(fill, maximum));
}

AudioWindow AudioWindows::alone(const Clip& clip) const {
  return {mel_of(resampled(clip, 1), kBlockFill), {{&clip, 0, clip.mouth}}};
}

AudioWindow AudioWindows::packed(const std::vector<const Clip*>& clips, size_t& next,
                                 Random& random, Pace pace) const {
  AudioWindow window;
  std::vector<float> sound(static_cast<size_t>(rows_ * kSamples));
  const auto most = random() % 4 == 0 ? 1 + random() % 4 : clips.size();  // short inputs, too
  int64_t row = static_cast<int64_t>(random() % kLatestStart);
  int64_t end = 0;
  for (size_t count = 0; count < most && next < clips.size(); ++count) {
    auto clip = *clips[next];
    auto change = draw_sound_change(random);
    if (pace == Pace::kKept) {
      change.speed = 1;
    } else if (random() % 2 == 0) {
      clip = rotated(clip, static_cast<int64_t>(random() % static_cast<uint64_t>(clip.frames())));
    }
    auto mouth = mouth_at(clip, change.speed);
    if (row + kRowsPerFrame * mouth.size(0) > rows_) break;
    const auto piece = changed_sound(clip, change, random);
    const auto room = std::min(piece.size(), sound.size() - static_cast<size_t>(row * kSamples));
    std::copy_n(piece.begin(), room, sound.begin() + row * kSamples);
    window.placed.push_back({clips[next], row, std::move(mouth)});
    end = row + static_cast<int64_t>(piece.size()) / kSamples + 1;
    row = end + static_cast<int64_t>(random() % 40);
    ++next;
  }
  const bool full = end + 150 > rows_;
  const auto tail = std::min(rows_, full ? rows_ : end + static_cast<int64_t>(random() % 20));
  sound.resize(static_cast<size_t>(std::max<int64_t>(tail, 1) * kSamples));
  window.mel =
      mel_of(sound, random() % 2 == 0 ? audio::BlockFill::kZeros : audio::BlockFill::kSilence);
  if (pace == Pace::kChanged && random() % 4 == 0) {  // a masked band, as SpecAugment has it
    const auto bands = static_cast<int64_t>(1 + random() % 12);
    const auto first =
        static_cast<int64_t>(random() % static_cast<uint64_t>(window.mel.size(0) - bands));
    window.mel.narrow(0, first, bands).fill_(window.mel.min());
  }
  return window;
}

}  // namespace latentsync::train
