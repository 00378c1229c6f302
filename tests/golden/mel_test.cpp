#include "core/audio/log_mel.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/wav.h"

#include <iostream>
#include <span>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr Tolerance kMel{.max_abs = 2e-4};

std::span<const float> values(const at::Tensor& audio) {
  return {audio.const_data_ptr<float>(), static_cast<size_t>(audio.numel())};
}

// The filters that are computed are those that the reference loads.
TEST(MelGolden, Filters) {
  const auto expected = golden("mel/mel.safetensors").tensors.at("mel_filters");
  EXPECT_TRUE(close(audio::mel_filters(expected.size(0)), expected, {.max_abs = 1e-7}));
}

// Noise, a tone before silence, and silence give the reference's spectrograms.
TEST(MelGolden, SyntheticSignals) {
  const auto file = golden("mel/mel.safetensors");
  const audio::LogMel log_mel(test_device());
  int checked = 0;
  for (const auto& [name, samples] : file.tensors) {
    if (!name.ends_with(".audio")) continue;
    SCOPED_TRACE(name);
    const auto& expected = file.tensors.at(name.substr(0, name.size() - 5) + "mel");
    EXPECT_TRUE(close(log_mel.whole_clip(values(samples)), expected, kMel));
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

// The first second of every clip, normalised with the maximum of its whole file, gives the first
// columns of its spectrogram; the clip itself need not be at hand.
TEST(MelGolden, FirstSecondWithTheMaximumOfTheFile) {
  const auto file = golden("mel/mel.safetensors");
  const audio::LogMel log_mel(test_device());
  int checked = 0;
  for (const auto& [name, pcm] : file.tensors) {
    if (!name.ends_with(".pcm_first_second")) continue;
    SCOPED_TRACE(name);
    const auto& mel = file.tensors.at(name.substr(0, name.find('.')) + ".mel");
    const auto samples = pcm.to(at::kFloat) / 32768.0F;
    // The last columns reach beyond the samples.
    const auto columns = (samples.numel() - audio::kFourierSize / 2) / audio::kSamplesPerColumn;
    const auto power = log_mel.log_power({values(samples), 0, samples.numel()}, 0, columns);
    const double maximum = 4 * mel.max().item<double>() - 4;
    EXPECT_TRUE(close(audio::normalise_log_mel(power, maximum), mel.slice(1, 0, columns), kMel));
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

// Whole clips of speech give the reference's spectrograms.
TEST(MelGolden, WholeClips) {
  const auto file = golden("mel/mel.safetensors");
  const audio::LogMel log_mel(test_device());
  for (const auto& [key, sha] : file.metadata) {
    if (!key.ends_with(".pcm_s16le_sha256")) continue;
    const auto clip = key.substr(0, key.find('.'));
    const auto samples = find_clip(clip, sha);
    if (!samples) {
      std::cout << "not compared: no file with the samples of " << clip << " is at hand\n";
      continue;
    }
    EXPECT_TRUE(close(log_mel.whole_clip(to_float(*samples)), file.tensors.at(clip + ".mel"), kMel))
        << clip;
  }
}

}  // namespace
}  // namespace latentsync::test
