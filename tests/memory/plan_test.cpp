#include "core/memory/plan.h"

#include "core/audio/whisper_encoder.h"
#include "core/face/blazeface.h"
#include "core/face/face_mesh.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/unet3d.h"
#include "tests/memory/small_model.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace latentsync::memory {
namespace {

constexpr int64_t kMiB = 1 << 20;

int64_t bytes_of(const nn::Module& module) {
  int64_t bytes = 0;
  for (const auto& tensor : module.parameters()) bytes += static_cast<int64_t>(tensor.nbytes());
  for (const auto& tensor : module.buffers()) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

int64_t stage(const PlannedRung& rung, const std::string& name) {
  for (const auto& stage : rung.stages) {
    if (stage.stage == name) return stage.bytes;
  }
  ADD_FAILURE() << name;
  return 0;
}

PlannedRung run(const Rung& rung, PlanInput input = test::small_input()) {
  DryRun dry_run(test::small_configs(), at::kFloat, Rounding::kNone);
  return dry_run.run(rung, input.settings, input.window_frames, input.width, input.height);
}

TEST(Rounding, IsThatOfTheCachingAllocator) {
  EXPECT_EQ(rounded(1000, Rounding::kNone), 1000);
  EXPECT_EQ(rounded(0, Rounding::kCaching), 0);
  EXPECT_EQ(rounded(1, Rounding::kCaching), 512);
  EXPECT_EQ(rounded(1024, Rounding::kCaching), 1024);
  EXPECT_EQ(rounded(11 * kMiB, Rounding::kCaching), 12 * kMiB);
}

TEST(PartFrames, AreEqualAndNoMoreThanAllowed) {
  EXPECT_EQ(part_frames(16, 16), 16);
  EXPECT_EQ(part_frames(16, 12), 8);
  EXPECT_EQ(part_frames(24, 8), 8);
  EXPECT_EQ(part_frames(17, 8), 6);
  EXPECT_EQ(part_frames(1, 8), 1);
}

TEST(DryRun, CountsTheWeightsOfTheRealNetworks) {
  const auto configs = test::small_configs();
  const nn::UNet3D unet(configs.unet);
  const nn::AutoencoderKL vae(*configs.vae);
  const audio::WhisperEncoder whisper(configs.whisper);
  const face::BlazeFaceShortRange near_faces;
  const face::BlazeFaceFullRange all_faces;
  const face::FaceMesh mesh;
  EXPECT_EQ(run({}).weights, bytes_of(unet) + bytes_of(vae) + bytes_of(whisper) +
                                 bytes_of(near_faces) + bytes_of(all_faces) + bytes_of(mesh));
}

TEST(DryRun, EveryMeasureSavesWhereItShould) {
  const auto whole = run({});
  const auto expect_less = [&](const Rung& rung, const char* name, double part) {
    const auto less = run(rung);
    EXPECT_LT(stage(less, name), part * static_cast<double>(stage(whole, name))) << name;
    return less;
  };
  expect_less({.vae_batch = 4}, "encode", 0.6);
  expect_less({.vae_batch = 4}, "decode", 0.6);
  expect_less({.two_passes = true}, "denoise", 0.6);
  const auto window = expect_less({.window_frames = 8}, "denoise", 0.6);
  EXPECT_LT(window.frames, 0.6 * static_cast<double>(whole.frames));
  EXPECT_EQ(window.weights, whole.weights);
}

TEST(DryRun, PeakIsTheSumOfItsParts) {
  const auto whole = run({});
  int64_t largest = 0;
  for (const auto& stage : whole.stages) {
    EXPECT_GT(stage.bytes, 0) << stage.stage;
    largest = std::max(largest, stage.bytes);
  }
  EXPECT_EQ(whole.peak, whole.weights + whole.frames + largest);
}

// Copies of a window's frames lie on a device until the crops of the last face have been taken, so
// beside the encoding of the others; a CPU reads the frames where they are.
TEST(DryRun, CopiesOfFramesAreCountedWhileTheyLive) {
  const auto grown = [](Rounding rounding, const std::string& name) {
    DryRun dry_run(test::small_configs(), at::kFloat, rounding);
    const auto input = test::small_input();
    const auto with_width = [&](int64_t width) {
      return stage(dry_run.run({}, input.settings, 16, width, 1080), name);
    };
    return with_width(3840) - with_width(1920);
  };
  for (const char* name : {"face", "audio", "encode"}) {
    EXPECT_NEAR(static_cast<double>(grown(Rounding::kCaching, name)), 16. * 1920 * 1080 * 3,
                2 * kMiB)
        << name;
    EXPECT_EQ(grown(Rounding::kNone, name), 0) << name;
  }
  EXPECT_EQ(grown(Rounding::kCaching, "denoise"), 0);
  EXPECT_EQ(grown(Rounding::kCaching, "decode"), 0);
}

TEST(DryRun, MovedWeightsLeaveTheDevice) {
  const auto all = run({}), host = run({.host_networks = true});
  const auto streamed = run({.host_networks = true, .streamed_unet = true});
  EXPECT_LT(host.weights, all.weights);
  EXPECT_LT(streamed.weights, host.weights);
  EXPECT_GT(streamed.weights, 0);
}

TEST(DryRun, PublishedNetworksAreCountedWithoutTheirMemory) {
  DryRun dry_run({.vae = nn::AutoencoderKLConfig{}}, at::kHalf, Rounding::kCaching);
  RenderSettings settings;
  settings.resolution = 512;
  settings.feature_cache = 3;
  const auto planned = dry_run.run({.vae_batch = 4}, settings, 16, 1920, 1080);
  EXPECT_NEAR(static_cast<double>(planned.weights), 2.8e9, 0.05e9);
  EXPECT_LT(planned.peak, 6e9);
  EXPECT_GT(stage(planned, "denoise"), 1.0e9);
}

TEST(Planner, TakesTheFirstRungThatFits) {
  Planner planner(test::small_configs(), false);
  auto input = test::small_input();
  input.memory.vram_budget = 1 << 20;
  const auto whole = planner.plan(input);
  EXPECT_EQ(whole.chosen, 0);
  ASSERT_GE(whole.ladder.size(), 5);
  for (size_t i = 1; i < whole.ladder.size(); ++i) {
    EXPECT_LT(whole.ladder[i].peak, whole.ladder[i - 1].peak);
    if (whole.ladder[i].peak / kMiB == whole.ladder[i - 1].peak / kMiB) continue;
    input.memory.vram_budget = whole.ladder[i].peak / kMiB + 1;
    const auto plan = planner.plan(input);
    EXPECT_EQ(plan.chosen, static_cast<int64_t>(i));
    EXPECT_LE(plan.rung().peak, plan.budget);
    EXPECT_TRUE(plan.advice.empty());
  }
}

TEST(Planner, AdvisesTheCheapestChangeWhereNothingFits) {
  Planner planner(test::small_configs(), true);
  auto input = test::small_input();
  input.settings.vae_batch = 16;
  const auto least = [&](const PlanInput& other) {
    auto roomy = other;
    roomy.memory.vram_budget = 1 << 20;
    return planner.plan(roomy).ladder.back().peak;
  };
  const auto advise = [&](int64_t mib) {
    input.memory.vram_budget = mib;
    const auto plan = planner.plan(input);
    EXPECT_EQ(plan.chosen, -1);
    EXPECT_FALSE(plan.fits());
    EXPECT_NE(plan.advice.find(std::to_string(mib) + " MiB"), std::string::npos) << plan.advice;
    return plan.advice;
  };
  auto fewer = input;
  fewer.settings.vae_batch = 0;
  EXPECT_NE(advise(least(fewer) / kMiB + 1).find("batch-size=0"), std::string::npos);
  EXPECT_NE(advise(1).find("vram-budget"), std::string::npos);
}

TEST(Planner, CudaHasWorkspaces) {
  Planner planner(test::small_configs(), false);
  auto input = test::small_input();
  input.device = "cuda:0";
  input.precision = "float16";
  input.memory.vram_budget = 4096;
  const auto plan = planner.plan(input);
  EXPECT_GT(plan.rung().workspaces, 0);
  EXPECT_EQ(plan.total, -1);
  EXPECT_EQ(plan.budget, 4096 * kMiB);
  EXPECT_TRUE(plan.fits());
}

// Frames that the caller holds in a GPU's memory are taken off the budget, and a lower rung is
// chosen where they leave too little; on a CPU they are none of it.
TEST(Planner, FramesOnTheDeviceAreOfTheBudget) {
  Planner planner(test::small_configs(), false);
  auto input = test::small_input();
  input.memory.vram_budget = 4096;
  input.frame_bytes = 200 * kMiB;
  EXPECT_EQ(planner.plan(input).budget, 4096 * kMiB);
  input.device = "cuda:0";
  const auto roomy = planner.plan(input);
  EXPECT_EQ(roomy.budget, 3896 * kMiB);
  EXPECT_EQ(roomy.chosen, 0);
  input.memory.vram_budget = roomy.ladder.front().peak / kMiB + 1;
  input.frame_bytes = 0;
  EXPECT_EQ(planner.plan(input).chosen, 0);
  input.frame_bytes = 2 * kMiB;
  EXPECT_NE(planner.plan(input).chosen, 0);
}

}  // namespace
}  // namespace latentsync::memory
