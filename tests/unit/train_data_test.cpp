#include "core/error.h"
#include "examples/train/audio_training.h"
#include "examples/train/augment.h"
#include "examples/train/dataset.h"
#include "examples/train/latent_pool.h"
#include "examples/train/measures.h"
#include "examples/train/storage.h"
#include "tests/support/compare.h"
#include "tests/support/models_dir.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

constexpr int64_t kEdge = 64, kMargin = 8, kSide = kEdge + 2 * kMargin;

Clip grey_clip(int64_t frames) {
  Clip clip;
  clip.name = clip.speaker = "someone";
  clip.crops = at::full({frames, kSide, kSide, 3}, 40, at::kByte);
  clip.lips = at::zeros({frames, 3, 2}, at::kFloat);
  clip.mouth = at::randn({frames, Clip::kMouthValues});
  clip.sound = at::zeros({frames * 640}, at::kFloat);
  return clip;
}

// Without a change a crop is the stored one without its margin.
TEST(TrainAugment, NoChangeCutsTheMarginOff) {
  auto clip = grey_clip(2);
  clip.crops = at::rand({2, kSide, kSide, 3}).mul(255).to(at::kByte);
  const Dataset dataset{kEdge, kMargin, {}};
  const auto crops = augmented_crops(dataset, clip, {}, c10::kCPU);
  const auto expected = clip.crops.slice(1, kMargin, kMargin + kEdge)
                                .slice(2, kMargin, kMargin + kEdge)
                                .permute({0, 3, 1, 2})
                                .to(at::kFloat) /
                            127.5 -
                        1;
  EXPECT_TRUE(test::close(crops, expected, {.max_abs = 1e-4}));
}

// Lips move as the picture does: where the stored crop has a bright spot, the changed one has it
// where the changed lips say, mirrored, turned, scaled and moved.
TEST(TrainAugment, LipsFollowThePicture) {
  Random random(5);
  const Dataset dataset{kEdge, kMargin, {}};
  for (int round = 0; round < 8; ++round) {
    auto clip = grey_clip(1);
    const auto x = static_cast<int64_t>(uniform(random, 28, 52));
    const auto y = static_cast<int64_t>(uniform(random, 28, 52));
    clip.crops.slice(1, y - 1, y + 2).slice(2, x - 1, x + 2).fill_(255);
    clip.lips.select(2, 0).fill_(static_cast<double>(x));
    clip.lips.select(2, 1).fill_(static_cast<double>(y));
    auto change = draw_augmentation(random, Strength::kStrong);
    change.mirror = round % 2 == 0;
    const auto image = augmented_crops(dataset, clip, change, c10::kCPU)[0].mean(0);
    const auto bright = (image - image.min()).square();
    const auto places = (at::arange(kEdge, at::kFloat) + 0.5) / static_cast<double>(kEdge);
    const auto lips = augmented_lips(dataset, clip, change)[0];
    const auto weight = bright * (bright > bright.max() * 0.2).to(at::kFloat);
    const double seen_x = ((weight * places.unsqueeze(0)).sum() / weight.sum()).item<double>();
    const double seen_y = ((weight * places.unsqueeze(1)).sum() / weight.sum()).item<double>();
    EXPECT_NEAR(lips[0].item<double>(), seen_x, 1.0 / kEdge) << round;
    EXPECT_NEAR(lips[1].item<double>(), seen_y, 1.0 / kEdge) << round;
  }
}

// A mouth of another size: its middle stays, its lips are where the picture has them, and what is
// far from it does not move.
TEST(TrainAugment, AMouthOfAnotherSize) {
  const Dataset dataset{kEdge, kMargin, {}};
  auto clip = grey_clip(1);
  constexpr int64_t kMiddleX = 38, kTop = 40, kBottom = 50, kWide = 12;
  const std::vector<float> lips = {kMiddleX - kWide, 45,   kMiddleX + kWide, 45,
                                   kMiddleX,         kTop, kMiddleX,         kBottom};
  clip.lips = at::tensor(lips).view({1, 4, 2});
  for (const int64_t row : {kTop, kBottom}) {
    clip.crops.slice(1, row, row + 1).slice(2, kMiddleX - 4, kMiddleX + 5).fill_(255);
  }
  clip.crops.slice(1, kMargin + 2, kMargin + 3).fill_(255);  // far above
  const auto rows_of = [&](const Augmentation& change) {
    const auto image = augmented_crops(dataset, clip, change, c10::kCPU)[0].mean(0);
    const auto column =
        image.slice(1, kMiddleX - kMargin - 2, kMiddleX - kMargin + 3).mean(1) - image.min();
    const auto places = (at::arange(kEdge, at::kFloat) + 0.5) / static_cast<double>(kEdge);
    const auto centre = [&](int64_t from, int64_t to) {
      const auto part = column.slice(0, from, to);
      return ((part * places.slice(0, from, to)).sum() / part.sum()).item<double>();
    };
    return std::vector<double>{centre(0, 6), centre(12, 37), centre(37, kEdge)};
  };
  const auto before = rows_of({});
  for (const double high : {0.65, 1.3}) {
    const Augmentation change{.mouth_wide = 1.1, .mouth_high = high};
    const auto found = augmented_lips(dataset, clip, change)[0];
    const auto rows = rows_of(change);
    EXPECT_NEAR(rows[0], before[0], 0.2 / kEdge);
    const double height = (rows[2] - rows[1]) / (before[2] - before[1]);
    EXPECT_TRUE(high < 1 ? height < 0.8 : height > 1.1) << height;
    EXPECT_NEAR(found[1].item<double>(), (rows[1] + rows[2]) / 2, 0.5 / kEdge);
    EXPECT_NEAR(found[3].item<double>(), (rows[2] - rows[1]) / 2, 0.5 / kEdge);
    EXPECT_GT(found[2].item<double>(), 12.3 / kEdge);
  }
}

// What is blurred at the border is blurred with itself: an even crop stays even.
TEST(TrainAugment, BlurDoesNotDarkenTheBorder) {
  const auto clip = grey_clip(1);
  const auto crops = augmented_crops({kEdge, kMargin, {}}, clip, {.blur = 1.5}, c10::kCPU);
  EXPECT_TRUE(test::close(crops, at::full_like(crops, 40 / 127.5 - 1), {.max_abs = 1e-4}));
}

// One face gets another's colours, however its own frames differ; what is finer than asked for is
// not taken over.
TEST(TrainAugment, AFaceLooksLikeAnother) {
  const Dataset dataset{.edge = kEdge, .margin = kMargin};
  auto one = grey_clip(8), another = grey_clip(8);
  one.crops.narrow(0, 0, 4).fill_(60);  // 50 on the average
  another.crops.fill_(90);
  another.crops.slice(1, 0, {}, 2).fill_(130);  // 110, in stripes
  Augmentation change;
  change.other = difference_of_faces(dataset, one, another, 0.05, at::kCPU);
  const auto made = (augmented_crops(dataset, one, change, at::kCPU) / 2 + 0.5) * 255;
  const auto inside = made.slice(2, 20, 44).slice(3, 20, 44);
  EXPECT_NEAR(inside[0].mean().item<double>(), 120, 1);
  EXPECT_NEAR(inside[7].mean().item<double>(), 100, 1);
  EXPECT_LT(inside[0].std().item<double>(), 2);
}

// Pieces are of different frames in order, runs of neighbours do not overlap, and both reach all
// over the clip.
TEST(TrainLatentPool, FramesAreChosenAllOverTheClip) {
  constexpr int64_t kMost = 40, kRun = LatentPool::kRun, kSpread = LatentPool::kSpreadFrames;
  Random random(3);
  std::map<Choice, std::vector<int>> seen;
  for (int round = 0; round < 200; ++round) {
    for (const auto choice : {Choice::kSpread, Choice::kRuns}) {
      const auto frames = choose_frames(kMost, choice, random);
      ASSERT_EQ(static_cast<int64_t>(frames.size()), choice == Choice::kRuns ? 2 * kRun : kSpread);
      seen[choice].resize(kMost);
      for (size_t i = 0; i < frames.size(); ++i) {
        ++seen[choice].at(static_cast<size_t>(frames[i]));
        const int64_t apart = i > 0 ? frames[i] - frames[i - 1] : 1;
        EXPECT_GE(apart, 1);
        const bool in_run = choice == Choice::kRuns && i % kRun != 0;
        EXPECT_TRUE(!in_run || apart == 1) << apart;
      }
    }
  }
  for (const auto& [choice, counts] : seen) EXPECT_GT(*std::ranges::min_element(counts), 5);
  EXPECT_EQ(choose_frames(5, Choice::kSpread, random).size(), 5);
}

// TAESD's colours are a little off; corrected latents, of other frames of the same face, are not.
TEST(TrainImageCoder, ColoursAreCorrected) {
  constexpr int64_t kSide = 128;
  ImageCoder coder(test::models_dir() / "taesd", kSide, at::kCPU);
  const auto places = at::linspace(-1, 1, kSide);
  const auto disc = (places.view({1, -1}).square() + places.view({-1, 1}).square() < 0.5)
                        .to(at::kFloat)
                        .expand({1, 3, -1, -1});
  const auto skin = at::tensor({0.55, 0.1, -0.15}, at::kFloat).view({1, 3, 1, 1});
  const auto wall = at::tensor({-0.6, 0.2, 0.5}, at::kFloat).view({1, 3, 1, 1});
  const auto face = disc * skin + (1 - disc) * wall;
  const auto correction = coder.colour_correction(at::cat({face, face.roll(2, 3)}));
  ASSERT_EQ(correction.sizes(), at::IntArrayRef({1, 4, kSide / 8, kSide / 8}));

  const auto other = face.roll(1, 2);
  const auto latents = coder.encode(other);
  const auto error = [&](const at::Tensor& of) {
    return ((coder.decode(of) - other) * disc).mean({2, 3}).abs().max().item<double>();
  };
  const double before = error(latents), after = error(latents + correction);
  EXPECT_GT(before, 0.01);
  EXPECT_LT(after, before / 2);
}

// The best lag is found, and what does not change has no correlation.
TEST(TrainMeasures, CorrelationFindsTheLag) {
  const auto a = at::randn({60});
  EXPECT_NEAR(best_correlation(a.slice(0, 2), a, 3), 1, 1e-6);
  EXPECT_LT(best_correlation(a.slice(0, 5), a, 3), 0.7);
  EXPECT_NEAR(best_correlation(a, -2 * a + 1, 0), -1, 1e-6);
  EXPECT_EQ(best_correlation(a, at::zeros({60}), 3), 0);
}

// PSNR and similarity look at the generated part alone; noise of a known size has the PSNR it must
// have, and a blur is less sharp.
TEST(TrainMeasures, PicturesAreComparedInsideTheMask) {
  const auto a = at::rand({2, 3, 32, 32});
  auto mask = at::full({32, 32}, 1, at::kFloat);
  mask.slice(0, 16).fill_(0);
  auto b = a.clone();
  b.slice(2, 0, 16).fill_(0);
  EXPECT_EQ(psnr_inside(a, b, mask), 99);
  b.slice(2, 16) += 0.1;
  EXPECT_NEAR(psnr_inside(a, b, mask), 20, 1e-3);
  EXPECT_NEAR(ssim_inside(a, a, mask), 1, 1e-5);
  EXPECT_LT(ssim_inside(a, at::rand({2, 3, 32, 32}), mask), 0.3);
  const auto boxes = at::tensor({8, 8, 24, 24, 8, 8, 24, 24}, at::kLong).view({2, 4});
  EXPECT_LT(sharpness((a + a.roll(1, 3)) / 2, boxes), 0.7 * sharpness(a, boxes));
}

// A clip's bytes are full range: a crop has its frame's values, dark and bright ones too.
TEST(TrainMeasures, CropsHaveTheFramesValues) {
  face::FaceLandmarks mesh{};
  const auto put = [&](std::initializer_list<size_t> points, double x, double y) {
    for (const auto point : points) mesh.points[point] = {x, y, 0};
  };
  put({70, 63, 105, 66, 107}, 40, 40);     // brow at the left
  put({336, 296, 334, 293, 300}, 88, 40);  // at the right
  put({195, 48, 278, 4}, 64, 64);          // nose
  for (const int value : {4, 128, 251}) {
    const auto frames = at::full({1, 128, 128, 3}, value, at::kByte);
    const auto crops = aligned_crops(frames, {mesh}, kEdge);
    EXPECT_NEAR(crops[0][1][kEdge / 4][kEdge / 2].item<double>(), value / 255.0, 2e-3) << value;
  }
}

// A speaker with many clips is drawn more often, but far less than his clips are more.
TEST(TrainDataset, SpeakersAreEvenedOut) {
  std::vector<Clip> clips(101, grey_clip(1));
  clips.back().speaker = "another";
  std::vector<const Clip*> list;
  for (const auto& clip : clips) list.push_back(&clip);
  const ClipSampler sampler(list, ClipSampler::kForFaces);
  Random random(1);
  int other = 0;
  for (int i = 0; i < 4000; ++i) other += sampler.draw(random).speaker == "another" ? 1 : 0;
  EXPECT_NEAR(other / 4000.0, 1 / (1 + std::pow(100, ClipSampler::kForFaces)), 0.03);
  EXPECT_THROW(ClipSampler({}, 1), Error);
}

// A folder comes back as it was written, and one whose shapes do not fit is refused by name.
TEST(TrainDataset, FoldersAreReadAndChecked) {
  const test::TemporaryFolder folder;
  const auto clip = grey_clip(5);
  const auto write = [&](const Clip& of, const at::Tensor& lips) {
    write_safetensors(
        folder / "one.safetensors",
        {{"crops", of.crops}, {"lips", lips}, {"mouth", of.mouth}, {"sound", of.sound}});
  };
  write(clip, clip.lips);
  write_text(
      folder / "manifest.json",
      R"({"edge": 64, "margin": 8, "clips": [{"name": "one", "speaker": "s", "part": "train"}]})");
  const auto dataset = read_dataset(folder.path());
  ASSERT_EQ(dataset.of(Part::kTrain).size(), 1);
  EXPECT_TRUE(dataset.clips[0].mouth.equal(clip.mouth));
  EXPECT_TRUE(dataset.of(Part::kValidation).empty());
  const auto empty = grey_clip(0);
  for (const auto& [wrong, lips] :
       {std::pair(clip, clip.lips.slice(0, 1)), std::pair(clip, clip.lips.slice(2, 1)),
        std::pair(empty, empty.lips)}) {
    write(wrong, lips);
    try {
      read_dataset(folder.path());
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kDamagedFile);
      EXPECT_NE(std::string(error.what()).find("one.safetensors"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace latentsync::train
