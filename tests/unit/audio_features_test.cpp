#include "core/audio/audio_features.h"

#include "core/audio/whole_audio.h"
#include "core/error.h"
#include "tests/support/compare.h"
#include "tests/support/wav.h"
#include "tests/support/whisper.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>

namespace latentsync::audio {
namespace {

using test::small_whisper_encoder;

// The clip of the tests, repeated up to a length.
std::vector<float> speech(double seconds) {
  static const auto clip = test::to_float(test::read_wav(test::media_dir() / "demo1_audio.wav"));
  std::vector<float> out(static_cast<size_t>(seconds * kSampleRate));
  for (size_t i = 0; i < out.size(); ++i) out[i] = clip[i % clip.size()];
  return out;
}

WholeAudio whole_audio(const std::vector<float>& samples, WholeMode mode = WholeMode::kSeamless,
                       size_t piece = 4096, BlockFill fill = BlockFill::kSilence) {
  WholeAudio whole(small_whisper_encoder(), mode, fill);
  const std::span<const float> all(samples);
  for (size_t at = 0; at < all.size(); at += piece) {
    whole.append(all.subspan(at, std::min(piece, all.size() - at)));
  }
  whole.finish();
  return whole;
}

// Times of a window of 16 frames at 25 a second.
std::vector<int64_t> window_at(double seconds) {
  std::vector<int64_t> times;
  for (int64_t i = 0; i < 16; ++i) {
    times.push_back(static_cast<int64_t>(seconds * 1e9) + i * 40'000'000);
  }
  return times;
}

// [rows, values]: each row at its own time.
at::Tensor rows(WholeAudio& whole, int64_t first, int64_t count) {
  std::vector<int64_t> times;
  for (int64_t i = 0; i < count; ++i) times.push_back((first + i) * kRowDurationNs);
  return whole.features(times)
      .unflatten(1, {kRowsPerFrame, -1})
      .select(1, kRowsBeforeFrame)
      .flatten(1);
}

bool finite(const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); }

// Steps from each row to the next over 70 s, in units of the median step.
at::Tensor steps(WholeMode mode) {
  auto whole = whole_audio(speech(70), mode);
  const auto all = rows(whole, 0, whole.rows()).to(at::kCPU, at::kFloat);
  const auto size = (all.slice(0, 1) - all.slice(0, 0, -1)).square().sum(1).sqrt();
  return size / size.median();
}

// At the 30-second borders the reference's features jump; ours jump nowhere, also not where one
// block gives way to the next.
TEST(WholeAudio, NoJumpAtBlockBorders) {
  const auto reference = steps(WholeMode::kReference);
  EXPECT_GT(reference[1499].item<double>(), 2.5);
  EXPECT_GT(reference[2999].item<double>(), 2.5);
  EXPECT_LT(steps(WholeMode::kSeamless).max().item<double>(), 2);
}

// A clip of exactly 30 s needs no padding, and is the reference's to the bit.
TEST(WholeAudio, ThirtySecondsEqualTheReference) {
  const auto samples = speech(30);
  auto seamless = whole_audio(samples);
  auto reference = whole_audio(samples, WholeMode::kReference);
  for (const double at : {0.0, 12.0, 26.0, 29.0}) {
    EXPECT_TRUE(seamless.features(window_at(at)).equal(reference.features(window_at(at)))) << at;
  }
}

// With the reference's fill a short clip's rows are the reference's to the bit, and those behind
// its end are the rows of silence.
TEST(WholeAudio, ZerosFillAShortClipAsTheReferenceDoes) {
  const auto samples = speech(5);
  auto zeros = whole_audio(samples, WholeMode::kSeamless, 4096, BlockFill::kZeros);
  auto silence = whole_audio(samples);
  auto reference = whole_audio(samples, WholeMode::kReference);
  const auto total = zeros.rows();
  EXPECT_TRUE(rows(zeros, 10, total - 10).equal(rows(reference, 10, total - 10)));
  EXPECT_FALSE(rows(zeros, 10, total - 10).equal(rows(silence, 10, total - 10)));
  EXPECT_TRUE(rows(zeros, total, 30).equal(rows(silence, total, 30)));
  const auto across = zeros.features(window_at(4.7)).unflatten(1, {kRowsPerFrame, -1});
  const auto of_silence = silence.features(window_at(4.7)).unflatten(1, {kRowsPerFrame, -1});
  const auto end_row = total - first_row_of_frame(window_at(4.7)[7]);
  ASSERT_TRUE(end_row > 0 && end_row < kRowsPerFrame);
  EXPECT_FALSE(across[7][end_row - 1].equal(of_silence[7][end_row - 1]));
  EXPECT_TRUE(across[7][end_row].equal(of_silence[7][end_row]));
}

// A clip that fills its blocks has nothing to fill: both fills give the same bytes.
TEST(WholeAudio, FullBlocksAreNotFilled) {
  const auto samples = speech(30);
  auto zeros = whole_audio(samples, WholeMode::kSeamless, 4096, BlockFill::kZeros);
  auto silence = whole_audio(samples);
  EXPECT_TRUE(zeros.features(window_at(12)).equal(silence.features(window_at(12))));
}

// Windows asked for in any order, and audio appended in pieces of any size, give the same bytes.
TEST(WholeAudio, OrderAndPiecesDoNotMatter) {
  const auto samples = speech(70);
  auto forward = whole_audio(samples);
  auto backward = whole_audio(samples, WholeMode::kSeamless, 977);
  const std::vector<double> starts = {0, 22.4, 30, 37.1, 55.5, 69.5};
  std::vector<at::Tensor> expected;
  for (const auto at : starts) expected.push_back(forward.features(window_at(at)));
  for (size_t i = starts.size(); i-- > 0;) {
    EXPECT_TRUE(backward.features(window_at(starts[i])).equal(expected[i])) << starts[i];
  }
}

// Ten minutes of audio, walked through from end to end, hold their spectrogram and three blocks.
TEST(WholeAudio, MemoryStaysBounded) {
  const double seconds = 600;
  std::vector<float> noise(static_cast<size_t>(seconds) * kSampleRate);
  std::minstd_rand random(1);
  for (auto& sample : noise) sample = static_cast<float>(random() % 2000) / 1000 - 1;
  auto whole = whole_audio(noise, WholeMode::kSeamless, 16000);
  int64_t most = 0;
  for (double at = 0; at < seconds; at += 5) {
    whole.features(window_at(at));
    most = std::max(most, whole.stored_bytes());
  }
  const int64_t spectrogram = static_cast<int64_t>(seconds) * 100 * 80 * 4;
  const int64_t block = 1500 * 2 * 16 * 4;
  EXPECT_LE(most, spectrogram + 3 * block + 4096);
}

// Empty audio, a few samples and silence give finite features, also for frames long after the end.
TEST(WholeAudio, ShortAndSilent) {
  for (const size_t samples : {0, 1, 170, 319, 320, 5000}) {
    for (const float value : {0.0F, 0.2F}) {
      auto whole = whole_audio(std::vector<float>(samples, value));
      EXPECT_TRUE(finite(whole.features(window_at(0)))) << samples;
      EXPECT_TRUE(finite(whole.features(window_at(100)))) << samples;
    }
  }
}

// After the end the reference repeats its last row, and we go on with silence.
TEST(WholeAudio, AfterTheEnd) {
  const auto samples = speech(2);
  auto reference = whole_audio(samples, WholeMode::kReference);
  const auto last = rows(reference, 99, 3);
  EXPECT_TRUE(last[0].equal(last[1]) && last[1].equal(last[2]));
  auto seamless = whole_audio(samples);
  const auto behind = rows(seamless, 99, 3);
  EXPECT_FALSE(behind[0].equal(behind[1]));
}

// Wrong order of calls and audio without a row are refused.
TEST(WholeAudio, Misuse) {
  WholeAudio whole(small_whisper_encoder(), WholeMode::kReference);
  EXPECT_THROW(whole.features(window_at(0)), Error);
  whole.finish();
  EXPECT_THROW(whole.append(speech(1)), Error);
  EXPECT_THROW(whole.features(window_at(0)), Error);
}

// A window is a function of its samples: more audio on either side of what it needs, or none,
// changes no byte; and neither does what was asked before.
TEST(SlidingAudio, BufferingDoesNotMatter) {
  const auto samples = speech(70);
  SlidingAudio sliding(small_whisper_encoder());
  for (const double at : {0.0, 10.0, 22.8, 31.0, 60.0}) {
    const auto times = window_at(at);
    const auto all = sliding.features(samples, 0, times);
    const auto [begin, end] = sliding.needed(times);
    EXPECT_LE(end - begin, 30 * kSampleRate);
    const auto needed = std::span<const float>(samples).subspan(static_cast<size_t>(begin),
                                                                static_cast<size_t>(end - begin));
    SlidingAudio fresh(small_whisper_encoder());
    EXPECT_TRUE(fresh.features(needed, begin, times).equal(all)) << at;
  }
}

// The audio after the look-ahead has no influence, the audio before its end has.
TEST(SlidingAudio, SeesExactlyTheLookahead) {
  auto samples = speech(20);
  SlidingAudio sliding(small_whisper_encoder(), 500'000'000);
  const auto times = window_at(8);
  const auto expected = sliding.features(samples, 0, times);
  const auto end = static_cast<size_t>(sliding.needed(times).end);
  EXPECT_EQ(end, static_cast<size_t>((8 + 0.6 + 0.5) * kSampleRate));
  std::fill(samples.begin() + static_cast<ptrdiff_t>(end), samples.end(), 0.5F);
  EXPECT_TRUE(sliding.features(samples, 0, times).equal(expected));
  samples[end - 300] += 0.5F;
  EXPECT_FALSE(sliding.features(samples, 0, times).equal(expected));
}

// In steady speech a stream's features are close to the file's: much closer than if the audio ended
// with the look-ahead.
TEST(SlidingAudio, UnknownFutureIsNotSilence) {
  const auto samples = speech(60);
  auto whole = whole_audio(samples);
  SlidingAudio sliding(small_whisper_encoder());
  const auto times = window_at(20);
  const auto expected = whole.features(times);
  const auto end = static_cast<size_t>(sliding.needed(times).end);
  const auto stream = test::difference(sliding.features(samples, 0, times), expected);
  const auto ended =
      test::difference(sliding.features(std::span(samples).first(end - 1), 0, times), expected);
  EXPECT_LT(2 * stream.rel_l2, ended.rel_l2);
}

// Once the look-ahead reaches the end of the audio, a stream's window is the file's to the bit.
TEST(SlidingAudio, EqualsWholeAtTheEnd) {
  const auto samples = speech(20);
  auto whole = whole_audio(samples);
  SlidingAudio sliding(small_whisper_encoder());
  const auto times = window_at(19);
  EXPECT_TRUE(test::close(sliding.features(samples, 0, times), whole.features(times),
                          test::tolerance({.max_abs = 1e-4, .rel_l2 = 1e-5})));
}

// The fill is that of the audio's rest: the unknown future is none, and where the audio has ended a
// stream's rows are the file's, with either fill.
TEST(SlidingAudio, FillsBehindTheEndOnly) {
  const auto samples = speech(20);
  SlidingAudio zeros(small_whisper_encoder(), 500'000'000, BlockFill::kZeros);
  SlidingAudio silence(small_whisper_encoder());
  EXPECT_TRUE(
      zeros.features(samples, 0, window_at(8)).equal(silence.features(samples, 0, window_at(8))));
  auto whole = whole_audio(samples, WholeMode::kSeamless, 4096, BlockFill::kZeros);
  const auto ended = zeros.features(samples, 0, window_at(19));
  EXPECT_FALSE(ended.equal(silence.features(samples, 0, window_at(19))));
  EXPECT_TRUE(test::close(ended, whole.features(window_at(19)),
                          test::tolerance({.max_abs = 1e-4, .rel_l2 = 1e-5})));
  EXPECT_TRUE(
      zeros.features(samples, 0, window_at(25)).equal(silence.features(samples, 0, window_at(25))));
}

// No context at all, a history that begins late, bad samples, and frames before the audio: finite.
TEST(SlidingAudio, PoorContexts) {
  SlidingAudio sliding(small_whisper_encoder());
  EXPECT_TRUE(finite(sliding.features({}, 0, window_at(0))));
  EXPECT_TRUE(finite(sliding.features({}, 0, window_at(1000))));
  EXPECT_TRUE(finite(sliding.features(speech(1), 50 * kSampleRate, window_at(50))));
  EXPECT_TRUE(finite(sliding.features(speech(1), 0, std::vector<int64_t>{-5'000'000'000})));
  auto broken = speech(1);
  broken[100] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(finite(sliding.features(broken, 0, window_at(0))));
}

// A look-ahead below a frame's own reach, and a window without frames, are refused.
TEST(SlidingAudio, Misuse) {
  EXPECT_THROW(SlidingAudio(small_whisper_encoder(), 119'000'000), Error);
  SlidingAudio sliding(small_whisper_encoder(), 120'000'000);
  EXPECT_THROW(sliding.features(speech(1), 0, {}), Error);
}

}  // namespace
}  // namespace latentsync::audio
