#include "core/audio/feature_grid.h"
#include "core/error.h"
#include "core/nn/prepare.h"
#include "examples/train/audio_store.h"
#include "examples/train/audio_training.h"
#include "examples/train/audio_windows.h"
#include "tests/support/compare.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

Clip clip_of(int64_t frames) {
  Clip clip;
  clip.name = clip.speaker = "someone";
  clip.crops = at::full({frames, 2, 2, 3}, 40, at::kByte);
  clip.mouth = at::arange(frames, at::kFloat).unsqueeze(1).repeat({1, Clip::kMouthValues});
  clip.sound = at::zeros({frames * 640}, at::kFloat);
  return clip;
}

constexpr nn::WhisperConfig kSmall{
    .n_audio_ctx = 500, .n_audio_state = 128, .n_audio_head = 4, .n_audio_layer = 2};

// A click in a frame's sound lies in the spectrogram where the window says that frame is.
TEST(TrainAudioWindows, SoundsLieWhereTheFramesAre) {
  auto clip = clip_of(75);
  constexpr int64_t kFrame = 30;
  clip.sound[kFrame * 640] = 1;
  const AudioWindows windows(1500, 80);
  Random random(11);
  const std::vector<const Clip*> list(6, &clip);
  size_t next = 0;
  const auto window = windows.packed(list, next, random, Pace::kKept);
  ASSERT_FALSE(window.placed.empty());
  EXPECT_EQ(window.mel.sizes(), at::IntArrayRef({80, 3000}));
  const auto loudness = window.mel.mean(0);
  for (const auto& placed : window.placed) {
    const auto column = 2 * (placed.first_row + 2 * kFrame);
    const auto around = loudness.slice(0, column - 60, column + 60);
    EXPECT_NEAR(static_cast<double>(around.argmax().item<int64_t>() - 60), 0, 2);
  }
}

// A frame's tokens are the rows that core/audio slices for its time, in the same order.
TEST(TrainAudioWindows, TokensAreThoseOfTheEngine) {
  constexpr int64_t kRows = 100, kLayers = 3, kWidth = 4, kFrames = 40;
  const auto states = at::randn({1, kLayers, kRows, kWidth});
  std::vector<int64_t> times;
  for (int64_t i = 0; i < kFrames; ++i) times.push_back(i * 40'000'000);
  const auto expected =
      audio::slice_frames(audio::BlockGrid::cuts(kRows), times, kRows, /*repeat_last=*/true,
                          [&](int64_t) { return states[0].transpose(0, 1); });
  const auto rows = at::arange(kFrames, at::kLong) * 2;
  EXPECT_TRUE(frame_tokens(states, at::zeros_like(rows), rows).equal(expected));
}

// The longest clip that can be trained on fits a window wherever it begins and however slow it is;
// a longer one is refused by name.
TEST(TrainAudioWindows, TheLongestClipFits) {
  const AudioWindows windows(kSmall.n_audio_ctx, 80);
  const auto clip = clip_of(windows.most_frames());
  Random random(7);
  for (int i = 0; i < 100; ++i) {
    size_t next = 0;
    ASSERT_EQ(windows.packed({&clip}, next, random, Pace::kChanged).placed.size(), 1) << i;
  }
  Dataset dataset;
  dataset.clips = {clip_of(windows.most_frames() + 1)};
  try {
    AudioTraining(std::make_shared<audio::WhisperEncoder>(kSmall), dataset, {}, 1);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("\"someone\" has 199 frames"), std::string::npos)
        << error.what();
  }
}

// Sound and mouth begin at the same frame and lose nothing.
TEST(TrainAudioWindows, ARotatedClipKeepsSoundAndMouthTogether) {
  auto clip = clip_of(20);
  clip.sound[13 * 640] = 1;
  const auto turned = rotated(clip, 5);
  EXPECT_EQ(turned.sound.argmax().item<int64_t>(), 8 * 640);
  EXPECT_EQ(turned.mouth[8][0].item<float>(), 13);
  EXPECT_EQ(turned.mouth[15][0].item<float>(), 0);
  EXPECT_EQ(clip.sound.argmax().item<int64_t>(), 13 * 640);
}

// How much a click at a row changes the states at the rows AWAY from it, over those far away.
double heard_at(audio::WhisperEncoder& encoder, int64_t away) {
  const at::NoGradGuard no_grad;
  constexpr int64_t kRow = 250, kFar = 150;
  const auto still = at::zeros({1, 80, 1000}, at::kFloat);
  auto click = still.clone();
  click.narrow(2, 2 * kRow, 2).fill_(2);
  const auto change = (encoder.forward(click) - encoder.forward(still))[0][1].norm(2, 1);
  const auto size = [&](int64_t row) { return change[row].item<double>(); };
  return (size(kRow - away) + size(kRow + away)) / (size(kRow - kFar) + size(kRow + kFar));
}

// The first layer of a new encoder hears what is four or five rows away; one that looks everywhere
// hears it as little as what is three seconds away.
TEST(TrainAudio, ANewEncoderLooksAround) {
  audio::WhisperEncoder everywhere(kSmall), around(kSmall);
  nn::initialise_parameters(everywhere, 1);
  initialise_encoder(around, 1);
  EXPECT_LT(heard_at(everywhere, 4), 3);
  EXPECT_GT(heard_at(around, 4), 30);
  EXPECT_GT(heard_at(around, 5), 30);
}

// The tokens of a clip change as its sound is encoded anew, and at most so many versions are kept.
TEST(TrainAudio, SoundsAreEncodedAnew) {
  Dataset dataset;
  dataset.clips = {clip_of(50)};
  auto& clip = dataset.clips[0];
  clip.sound = at::randn({50 * 640}) * 0.1;
  audio::WhisperEncoder encoder(kSmall);
  initialise_encoder(encoder, 1);
  Random random(2);
  AudioStore store(dataset, encoder, 2, random);
  const auto versions = [&] {
    std::vector<at::Tensor> seen;
    for (int draw = 0; draw < 40; ++draw) {
      const auto tokens = store.take({&clip, &clip}, {10, 11}, 2, random);
      EXPECT_EQ(tokens.sizes(), at::IntArrayRef({2, 30, 128}));
      bool known = false;
      for (const auto& other : seen) known = known || other.equal(tokens);
      if (!known) seen.push_back(tokens);
    }
    return seen;
  };
  const auto before = versions();
  EXPECT_EQ(before.size(), 2U);
  for (int window = 0; window < 3; ++window) store.refresh(random);
  const auto after = versions();
  EXPECT_EQ(after.size(), 2U);
  for (const auto& now : after) {
    for (const auto& then : before) EXPECT_FALSE(now.equal(then));
  }
}

// Silence has tokens as clips have them, and they are none of the clips'.
TEST(TrainAudio, SilenceIsEncodedToo) {
  Dataset dataset;
  dataset.clips = {clip_of(50)};
  auto& clip = dataset.clips[0];
  clip.sound = at::randn({50 * 640}) * 0.1;
  audio::WhisperEncoder encoder(kSmall);
  initialise_encoder(encoder, 1);
  for (const int64_t versions : {1, 3}) {
    Random random(2);
    AudioStore store(dataset, encoder, versions, random);
    const auto spoken = store.take({&clip}, {25}, 1, random);
    std::set<const Clip*> kinds;
    for (int draw = 0; draw < 20; ++draw) {
      const auto& quiet = store.quiet(random);
      kinds.insert(&quiet);
      const auto silent = store.take({&quiet}, {AudioStore::kQuietFrames - 1}, 1, random);
      EXPECT_EQ(silent.sizes(), spoken.sizes());
      EXPECT_FALSE(test::close(silent, spoken, {.rel_l2 = 0.1}));
      store.refresh(random);
    }
    EXPECT_EQ(kinds.size(), 2U);
    EXPECT_FLOAT_EQ((*kinds.begin())->mouth.abs().max().item<float>(), 0);
  }
}

// Threads make windows, and the next ones while others are used: which thread is quicker decides
// nothing.
TEST(TrainAudio, SoundsDoNotDependOnThreads) {
  Dataset dataset;
  dataset.clips = {clip_of(50), clip_of(60)};
  for (auto& clip : dataset.clips) clip.sound = at::randn_like(clip.sound) * 0.1;
  const auto losses = [&](int threads) {
    at::set_num_threads(threads);
    auto encoder = std::make_shared<audio::WhisperEncoder>(kSmall);
    initialise_encoder(*encoder, 1);
    AudioTraining training(encoder, dataset, {.windows = 5, .dropout = 0}, 2);
    Random random(3);
    return std::vector{training.step(1e-3, random), training.step(1e-3, random)};
  };
  const int before = at::get_num_threads();
  const auto alone = losses(1), together = losses(3);
  at::set_num_threads(before);
  EXPECT_NE(alone[0], alone[1]);
  EXPECT_NEAR(together[0], alone[0], 1e-5);
  EXPECT_NEAR(together[1], alone[1], 1e-4);

  audio::WhisperEncoder encoder(kSmall);
  initialise_encoder(encoder, 1);
  const auto tokens = [&] {
    at::manual_seed(5);  // faint noise is one of the clips
    Random random(4);
    AudioStore store(dataset, encoder, 1, random);
    for (int window = 0; window < 3; ++window) store.refresh(random);
    return store.take({&dataset.clips[0], &dataset.clips[1]}, {20, 30}, 1, random);
  };
  EXPECT_TRUE(tokens().equal(tokens()));
}

}  // namespace
}  // namespace latentsync::train
