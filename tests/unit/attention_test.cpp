#include "core/nn/attention.h"

#include "core/nn/prepare.h"
#include "tests/support/compare.h"
#include "tests/support/memory_growth.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

using test::close;
using test::tolerance;
using test::Tolerance;

constexpr Tolerance kExact{.rel_l2 = 1e-5};

at::Tensor random(at::IntArrayRef sizes) {
  return at::randn(sizes).to(test::test_device(), test::test_precision());
}

at::Tensor in_double(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }

// The region of an 8x8 grid is rows 5..7 (y >= 4.8) and columns 2..5 (2.4 <= x + 0.5 <= 5.6).
TEST(MouthTokens, AreTheDocumentedRegion) {
  const auto tokens = mouth_tokens(8, 8);
  const std::vector<int64_t> expected{42, 43, 44, 45, 50, 51, 52, 53, 58, 59, 60, 61};
  ASSERT_EQ(tokens.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(tokens[static_cast<int64_t>(i)].item<int64_t>(), expected[i]);
  }
}

// A mirrored face has the mirrored region, on every grid that a crop of 128 to 1024 pixels gives.
TEST(MouthTokens, MirrorWithTheFace) {
  for (int64_t resolution = 128; resolution <= 1024; resolution += 64) {
    for (int64_t edge = resolution / 8; edge >= resolution / 64; edge = (edge + 1) / 2) {
      auto grid = at::zeros({edge * edge}, at::kLong);
      grid.index_fill_(0, mouth_tokens(edge, edge), 1);
      grid = grid.reshape({edge, edge});
      EXPECT_TRUE(grid.flip(1).equal(grid)) << edge;
      if (edge >= 3) {
        EXPECT_GT(grid.sum().item<int64_t>(), 0) << edge;
      }
      if (edge == 1) break;
    }
  }
}

// Borders that fall on whole numbers are exact: 10x10 is rows 6..9, columns 3..6.
TEST(MouthTokens, BordersAreExact) {
  const auto tokens = mouth_tokens(10, 10);
  EXPECT_EQ(tokens.numel(), 16);
  EXPECT_EQ(tokens[0].item<int64_t>(), 63);
  EXPECT_EQ(tokens[15].item<int64_t>(), 96);
}

// A grid without a row of its own for the mouth has no region, and flex is then plain attention.
TEST(MouthTokens, MayBeEmpty) { EXPECT_EQ(mouth_tokens(1, 1).numel(), 0); }

// A region that was first asked for in inference mode serves training too.
TEST(MouthRegion, MadeInInferenceModeServesTraining) {
  constexpr int64_t kHeight = 4, kWidth = 5;
  Attention attention(8, 8, 2);
  initialise_parameters(attention, 1);
  MouthRegions regions;
  const auto x = at::randn({1, kHeight * kWidth, 8});
  {
    const c10::InferenceMode inference;
    regions.of(kHeight, kWidth, x.options());
  }
  const auto region = regions.of(kHeight, kWidth, x.options());
  const auto y = attention.self_attention(x, x, AttentionMode::kFlex, region);
  attention.cross_attention(x, attention.keys_and_values(y), x, AttentionMode::kFlex, region)
      .sum()
      .backward();
  for (const auto& parameter : attention.parameters()) EXPECT_TRUE(parameter.grad().defined());
}

// softmax((q k^T) / sqrt(d) * row_scale + key_bias) v in double precision, written out.
at::Tensor direct(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                  const at::Tensor& row_scale, const at::Tensor& key_bias) {
  const auto split = [&](const at::Tensor& x) {
    return x.to(at::kDouble).unflatten(2, {heads, x.size(2) / heads}).transpose(1, 2);
  };
  const auto scores =
      split(q).matmul(split(k).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(2) / heads));
  const auto weights =
      at::softmax(scores * row_scale.to(at::kDouble) + key_bias.to(at::kDouble), -1);
  return weights.matmul(split(v)).transpose(1, 2).flatten(2);
}

class FlexAttention : public testing::TestWithParam<bool> {
 protected:
  static constexpr int64_t kHeads = 2, kDim = 16, kAudioDim = 12, kHeight = 6, kWidth = 9;

  FlexAttention() {
    initialise_parameters(*self_, 1);
    initialise_parameters(*cross_, 2);
    for (auto* attention : {self_.get(), cross_.get()}) {
      // Scores of some size, so that a wrong weight shows.
      for (auto& item : attention->named_parameters()) {
        if (!item.key().starts_with("to_out")) item.value().mul_(3);
      }
      attention->to(test::test_device(), test::test_precision());
      weights_.push_back(attention->named_parameters());
      for (auto& item : weights_.back()) item.value() = item.value().clone();
      if (GetParam()) prepare_for_inference(*attention);
    }
  }

  // The projection NAME of the attention by its dense weights, in double.
  at::Tensor project(int which, const std::string& name, const at::Tensor& x) {
    return in_double(x).matmul(in_double(weights_[which].at(name + ".weight")).t());
  }
  at::Tensor project_out(int which, const at::Tensor& x) {
    return project(which, "to_out.0", x) + in_double(weights_[which].at("to_out.0.bias"));
  }

  const at::NoGradGuard no_grad_;
  std::shared_ptr<Attention> self_ = std::make_shared<Attention>(kDim, kDim, kHeads);
  std::shared_ptr<Attention> cross_ = std::make_shared<Attention>(kDim, kAudioDim, kHeads);
  std::vector<Named<at::Tensor>> weights_;
  at::Tensor x_ = random({3, kHeight* kWidth, kDim});
  at::Tensor audio_ = random({3, 7, kAudioDim});
  MouthRegions regions_;
  MouthRegion region_ = regions_.of(kHeight, kWidth, x_.options());
};

// In self-attention every key of the mouth has ln 2 more on its scores, in every row; every other
// weight is plain softmax's.
TEST_P(FlexAttention, SelfAttentionDoublesTheMouthsKeys) {
  auto key_bias = at::zeros({kHeight * kWidth}, at::kDouble);
  key_bias.index_fill_(0, mouth_tokens(kHeight, kWidth), std::log(2.0));
  const auto expected =
      project_out(0, direct(project(0, "to_q", x_), project(0, "to_k", x_), project(0, "to_v", x_),
                            kHeads, at::ones({1}), key_bias));
  const auto actual = self_->self_attention(x_, at::zeros_like(x_), AttentionMode::kFlex, region_);
  EXPECT_TRUE(close(actual, expected, tolerance(kExact)));
  const auto plain = self_->self_attention(x_, at::zeros_like(x_), AttentionMode::kFlash);
  EXPECT_FALSE(close(plain, expected, Tolerance{.rel_l2 = 5e-2})) << "the emphasis does not show";
}

// In audio cross-attention the scores of the mouth's rows are 1.5 times theirs; every other row is
// plain.
TEST_P(FlexAttention, CrossAttentionScalesTheMouthsRows) {
  auto row_scale = at::ones({kHeight * kWidth, 1}, at::kDouble);
  row_scale.index_fill_(0, mouth_tokens(kHeight, kWidth), kFlexCrossAttentionScale);
  const auto expected =
      project_out(1, direct(project(1, "to_q", x_), project(1, "to_k", audio_),
                            project(1, "to_v", audio_), kHeads, row_scale, at::zeros({1})));
  const auto actual = cross_->cross_attention(x_, cross_->keys_and_values(audio_),
                                              at::zeros_like(x_), AttentionMode::kFlex, region_);
  EXPECT_TRUE(close(actual, expected, tolerance(kExact)));
}

// Standard and flash are the same attention, and the residual is added once.
TEST_P(FlexAttention, StandardEqualsFlash) {
  for (const auto mode : {AttentionMode::kStandard, AttentionMode::kFlash}) {
    const auto expected =
        project_out(0, direct(project(0, "to_q", x_), project(0, "to_k", x_),
                              project(0, "to_v", x_), kHeads, at::ones({1}), at::zeros({1}))) +
        in_double(x_);
    EXPECT_TRUE(close(self_->self_attention(x_, x_, mode), expected, tolerance(kExact)));
  }
}

// Written out, attention over many tokens holds few scores at a time, and the result is the same.
TEST(StandardAttention, GoesInSlices) {
  const at::NoGradGuard no_grad;
  // 2 x 2 x 8192 x 8192 scores in float32 are a gigabyte.
  const auto q = at::randn({2, 2, 8192, 8}), k = at::randn({2, 2, 8192, 8});
  const auto v = at::randn({2, 2, 8192, 8});
  const auto expected = scaled_dot_product(q, k, v, AttentionMode::kFlash);
  const test::MemoryGrowth growth;
  const auto actual = scaled_dot_product(q, k, v, AttentionMode::kStandard);
  EXPECT_LT(growth.peak(), int64_t{900} << 20);
  EXPECT_TRUE(close(actual, expected, kExact));
}

// Each token attends to itself in the other frames of its own batch entry, and to nothing else.
TEST_P(FlexAttention, TemporalAttentionStaysWithinAToken) {
  constexpr int64_t kFrames = 3;
  const auto x = random({2 * kFrames, 5, kDim});
  // [2*F, 5, dim] -> [2*5, F, dim]
  const auto sequences = x.unflatten(0, {2, kFrames}).transpose(1, 2).flatten(0, 1);
  const auto attended =
      project_out(0, direct(project(0, "to_q", sequences), project(0, "to_k", sequences),
                            project(0, "to_v", sequences), kHeads, at::ones({1}), at::zeros({1})));
  const auto expected = attended.unflatten(0, {2, 5}).transpose(1, 2).flatten(0, 1);
  for (const auto mode : {AttentionMode::kStandard, AttentionMode::kFlash, AttentionMode::kFlex}) {
    EXPECT_TRUE(close(self_->temporal_attention(x, at::zeros_like(x), kFrames, mode), expected,
                      tolerance(kExact)));
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, FlexAttention, testing::Bool(),
                         [](const auto& info) { return info.param ? "Packed" : "Dense"; });

}  // namespace
}  // namespace latentsync::nn
