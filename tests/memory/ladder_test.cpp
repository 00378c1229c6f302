#include "core/memory/ladder.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::memory {
namespace {

using Names = std::vector<std::string>;

Names names(const LadderRequest& request) {
  Names names;
  for (const auto& rung : make_ladder(request)) names.push_back(rung.name);
  return names;
}

LadderRequest request(int64_t resolution = 256) {
  LadderRequest request;
  request.settings.resolution = resolution;
  return request;
}

TEST(Ladder, HasTheMeasuresInOrderEachWithThoseBefore) {
  const auto rungs = make_ladder(request());
  EXPECT_EQ(names(request()),
            (Names{"whole", "vae-batch-8", "vae-batch-4", "vae-batch-2", "vae-batch-1", "vae-tiles",
                   "feed-forward-chunks", "two-passes", "window-12", "window-8"}));
  EXPECT_EQ(rungs.front(), (Rung{.name = "whole"}));
  EXPECT_EQ(rungs.back(), (Rung{.name = "window-8",
                                .vae_batch = 1,
                                .vae_tile = 128,
                                .feed_forward_chunks = 4,
                                .two_passes = true,
                                .window_frames = 8}));
}

TEST(Ladder, BeginsWithTheVaeBatchOfTheMemoryMode) {
  const auto first = [](int64_t resolution, MemoryMode mode) {
    auto wanted = request(resolution);
    wanted.memory.memory_mode = mode;
    return make_ladder(wanted).front().vae_batch;
  };
  EXPECT_EQ(first(256, MemoryMode::kConservative), 4);
  EXPECT_EQ(first(512, MemoryMode::kConservative), 1);
  EXPECT_EQ(first(256, MemoryMode::kBalanced), 16);
  EXPECT_EQ(first(512, MemoryMode::kBalanced), 4);
  EXPECT_EQ(first(1024, MemoryMode::kBalanced), 1);
  EXPECT_EQ(first(512, MemoryMode::kAggressive), 16);
  auto large = request(1024);
  large.memory.memory_mode = MemoryMode::kAggressive;
  large.most_vae_batch = 7;
  EXPECT_EQ(make_ladder(large).front().vae_batch, 7);
}

TEST(Ladder, KeepsAFixedBatchSize) {
  auto wanted = request();
  wanted.settings.vae_batch = 3;
  EXPECT_EQ(names(wanted), (Names{"whole", "vae-tiles", "feed-forward-chunks", "two-passes",
                                  "window-12", "window-8"}));
  for (const auto& rung : make_ladder(wanted)) EXPECT_EQ(rung.vae_batch, 3);
}

TEST(Ladder, ConservativeOptimizationKeepsTheResult) {
  auto wanted = request();
  wanted.memory.optimization_level = OptimizationLevel::kConservative;
  wanted.cuda = wanted.moves_weights = true;
  EXPECT_EQ(names(wanted),
            (Names{"whole", "vae-batch-8", "vae-batch-4", "vae-batch-2", "vae-batch-1", "vae-tiles",
                   "feed-forward-chunks", "two-passes"}));
}

TEST(Ladder, AggressiveOptimizationBeginsWithFeedForwardsInParts) {
  auto wanted = request();
  wanted.memory.optimization_level = OptimizationLevel::kAggressive;
  EXPECT_EQ(make_ladder(wanted).front().feed_forward_chunks, 4);
  for (const auto& name : names(wanted)) EXPECT_NE(name, "feed-forward-chunks");
}

TEST(Ladder, HasWhatOnlySomeSettingsNeed) {
  auto wanted = request();
  wanted.settings.guidance_scale = 1;
  wanted.settings.attention = Attention::kStandard;
  wanted.full_vae = false;
  wanted.cuda = wanted.moves_weights = true;
  wanted.window_frames = 10;
  EXPECT_EQ(names(wanted), (Names{"whole", "vae-batch-8", "vae-batch-4", "vae-batch-2",
                                  "vae-batch-1", "feed-forward-chunks", "attention-slices",
                                  "host-networks", "streamed-unet", "window-8"}));
  EXPECT_GT(make_ladder(wanted).back().score_bytes, 0);
  wanted.cuda = false;
  for (const auto& name : names(wanted)) EXPECT_NE(name, "host-networks");
}

}  // namespace
}  // namespace latentsync::memory
