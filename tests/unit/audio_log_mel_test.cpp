#include "core/audio/log_mel.h"
#include "tests/support/compare.h"

#include <cmath>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>

namespace latentsync::audio {
namespace {

std::vector<float> sweep(int64_t samples) {
  std::vector<float> out(static_cast<size_t>(samples));
  for (size_t i = 0; i < out.size(); ++i) {
    const double seconds = static_cast<double>(i) / kSampleRate;
    out[i] = static_cast<float>(0.3 * std::sin(2 * M_PI * (200 + 300 * seconds) * seconds));
  }
  return out;
}

// Silence of any length is -1.5 everywhere, and less than a hop has no column at all.
TEST(LogMel, Silence) {
  const LogMel log_mel(test::test_device());
  for (const int64_t samples : {160, 200, 201, 1600}) {
    const std::vector<float> silence(static_cast<size_t>(samples));
    const auto mel = log_mel.whole_clip(silence);
    ASSERT_EQ(mel.size(1), samples / 160);
    EXPECT_TRUE(test::close(mel, at::full({80, samples / 160}, -1.5), {.max_abs = 1e-6}));
  }
  EXPECT_EQ(log_mel.whole_clip({}).size(1), 0);
  EXPECT_EQ(log_mel.whole_clip(std::vector<float>(159, 0.1F)).size(1), 0);
}

// Clips shorter than the mirror at the ends have finite columns.
TEST(LogMel, ShorterThanTheMirror) {
  const LogMel log_mel(test::test_device());
  for (const int64_t samples : {160, 170, 200, 201, 320}) {
    const auto mel = log_mel.whole_clip(sweep(samples));
    ASSERT_EQ(mel.size(1), samples / 160);
    EXPECT_TRUE(at::isfinite(mel).all().item<bool>()) << samples;
    EXPECT_GT(mel.max().item<double>(), -1);
  }
}

// Columns from the middle of a timeline, with just the samples they need, are those of the whole.
TEST(LogMel, PartsEqualTheWhole) {
  const LogMel log_mel(test::test_device());
  const auto samples = sweep(32000);
  const auto whole = log_mel.log_power({samples, 0, 32000}, 0, 200);
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 3}, {50, 20}, {190, 10}}) {
    const auto begin = std::max<int64_t>(0, first * 160 - 201);
    const auto end = std::min<int64_t>(32000, (first + count) * 160 + 40);
    const std::span<const float> part(samples.data() + begin, static_cast<size_t>(end - begin));
    EXPECT_TRUE(test::close(log_mel.log_power({part, begin, 32000}, first, count),
                            whole.slice(1, first, first + count), {.max_abs = 1e-4}));
  }
}

// Samples that are no numbers, infinite or absurdly loud leave the spectrogram finite.
TEST(LogMel, BadSamplesStayLocal) {
  const LogMel log_mel(test::test_device());
  auto samples = sweep(16000);
  const auto good = log_mel.log_power({samples, 0, 16000}, 0, 100);
  samples[8000] = std::numeric_limits<float>::quiet_NaN();
  samples[8001] = std::numeric_limits<float>::infinity();
  samples[8002] = 1e30F;
  const auto bad = log_mel.log_power({samples, 0, 16000}, 0, 100);
  EXPECT_TRUE(at::isfinite(bad).all().item<bool>());
  EXPECT_TRUE(test::close(bad.slice(1, 0, 48), good.slice(1, 0, 48), {.max_abs = 1e-4}));
}

// The floor lies 8 below the given maximum.
TEST(LogMel, FloorFollowsTheGivenMaximum) {
  const auto power = at::full({80, 2}, -9.0);
  EXPECT_TRUE(test::close(normalise_log_mel(power, 0), at::full({80, 2}, -1.0), {.max_abs = 1e-6}));
  EXPECT_TRUE(
      test::close(normalise_log_mel(power, -10), at::full({80, 2}, -1.25), {.max_abs = 1e-6}));
}

}  // namespace
}  // namespace latentsync::audio
