#include "core/nn/memory_options.h"

#include "core/memory/account.h"
#include "core/nn/feed_forward.h"
#include "core/nn/prepare.h"
#include "core/nn/unet3d.h"
#include "tests/support/compare.h"

#include <functional>
#include <memory>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

constexpr test::Tolerance kRounding{.rel_l2 = 1e-6};

struct Measured {
  at::Tensor result;
  int64_t peak = 0;  // bytes, of what WORK allocates
};

Measured measured(const std::function<at::Tensor()>& work) {
  const c10::InferenceMode inference;
  const auto account = std::make_shared<memory::Account>();
  const memory::AccountScope scope(account);
  auto result = work();
  return {std::move(result), account->peak()};
}

// Rows of a feed-forward do not see each other: in any number of parts, uneven ones and more than
// there are rows included, the result is the same, and more parts need less memory.
TEST(MemoryOptions, FeedForwardInChunksIsTheSame) {
  constexpr int64_t kFrames = 3, kTokens = 37, kDim = 32;
  FeedForward dense(kDim), packed(kDim);
  for (auto* network : {&dense, &packed}) initialise_parameters(*network, 1);
  prepare_for_inference(packed);
  const auto x = at::randn({kFrames, kTokens, kDim}), residual = at::randn(x.sizes());
  for (auto* network : {&dense, &packed}) {
    const auto run = [&](int64_t chunks) {
      return measured(
          [&] { return network->forward(x, residual, {.feed_forward_chunks = chunks}); });
    };
    auto before = run(1);
    const auto whole = before.result;
    for (const int64_t chunks : {2, 4}) {
      auto now = run(chunks);
      EXPECT_TRUE(test::close(now.result, whole, kRounding)) << chunks;
      EXPECT_LT(now.peak, before.peak) << chunks;
      before = std::move(now);
    }
    for (const int64_t chunks : {5, 110, 1000}) {
      EXPECT_TRUE(test::close(run(chunks).result, whole, kRounding)) << chunks;
    }
  }
}

// In chunks, a residual that its caller keeps is not touched; one that is given away becomes the
// result.
TEST(MemoryOptions, ChunksTakeTheMemoryOfAResidualThatIsGiven) {
  const c10::InferenceMode inference;
  FeedForward network(16);
  initialise_parameters(network, 1);
  const auto x = at::randn({2, 5, 16});
  auto residual = at::randn(x.sizes());
  const auto before = residual.clone();
  const auto expected = network.forward(x, residual, {.feed_forward_chunks = 3});
  EXPECT_TRUE(residual.equal(before));
  const auto* memory = residual.const_data_ptr();
  const auto result = network.forward(x, std::move(residual), {.feed_forward_chunks = 3});
  EXPECT_EQ(result.const_data_ptr(), memory);
  EXPECT_TRUE(result.equal(expected));
}

// With gradients chunks are not used: all rows' intermediate results are needed then anyway.
TEST(MemoryOptions, ChunksKeepGradients) {
  FeedForward network(16);
  initialise_parameters(network, 1);
  const auto x = at::randn({2, 5, 16}).requires_grad_();
  network.forward(x, x, {.feed_forward_chunks = 3}).sum().backward();
  EXPECT_GT(x.grad().abs().sum().item<float>(), 0);
}

// Scores of standard attention in slices give the same, in less memory.
TEST(MemoryOptions, SlicedScoresAreTheSame) {
  const auto q = at::randn({2, 4, 64, 8}), k = at::randn({2, 4, 48, 8}),
             v = at::randn({2, 4, 48, 8});
  const auto run = [&](int64_t bytes) {
    return measured([&] {
      return scaled_dot_product(q, k, v, AttentionMode::kStandard, {.score_bytes = bytes});
    });
  };
  const auto whole = run(0);
  int64_t peak = whole.peak;
  for (const int64_t bytes : {4 * 64 * 48 * 4, 4 * 16 * 48 * 4, 4 * 5 * 48 * 4, 1}) {
    const auto now = run(bytes);
    EXPECT_TRUE(test::close(now.result, whole.result, kRounding)) << bytes;
    EXPECT_LT(now.peak, peak) << bytes;
    peak = now.peak;
  }
}

// The whole network hands the options to its layers: a different way, the same result.
TEST(MemoryOptions, ReachEveryLayerOfTheUNet) {
  UNet3DConfig config;
  config.block_out_channels = {32, 32, 64, 64};
  config.layers_per_block = 1;
  config.attention_heads = 2;
  config.motion_heads = 2;
  config.cross_attention_dim = 24;
  config.norm_groups = 16;
  UNet3D unet(config);
  initialise_parameters(unet, 7);
  for (auto& buffer : unet.buffers()) buffer.normal_();
  const auto sample = at::randn({2, 13, 3, 16, 16}), audio = at::randn({6, 10, 24});
  for (const auto mode : {AttentionMode::kFlash, AttentionMode::kFlex, AttentionMode::kStandard}) {
    const auto run = [&](const MemoryOptions& memory) {
      return measured(
          [&] { return unet.forward(sample, 500, audio, CacheUse::kNone, nullptr, mode, memory); });
    };
    const auto whole = run({});
    const auto parted = run({.feed_forward_chunks = 4, .score_bytes = 4096});
    EXPECT_TRUE(test::close(parted.result, whole.result, {.rel_l2 = 2e-6}));
    EXPECT_LT(parted.peak, whole.peak);
  }
}

}  // namespace
}  // namespace latentsync::nn
