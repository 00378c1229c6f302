#include "kernels/group_norm/group_norm.h"

#include "tests/support/compare.h"

#include <cmath>
#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

using test::close;
using test::Tolerance;

// The definition, in double precision, one value after the other.
at::Tensor gold(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                const at::Tensor& weight, const at::Tensor& bias, int64_t groups, int64_t frames,
                double eps, bool silu) {
  auto in = x.to(at::kCPU, at::kDouble).contiguous();
  if (shift) {
    const auto rows = shift->to(at::kCPU, at::kDouble).repeat_interleave(frames, 0);
    in = in + rows.unsqueeze(-1).unsqueeze(-1);
  }
  auto out = in.clone();
  const auto channels = in.size(1);
  const auto width = channels / groups;
  for (int64_t b = 0; b < in.size(0) / frames; ++b) {
    for (int64_t g = 0; g < groups; ++g) {
      const auto part =
          in.slice(0, b * frames, (b + 1) * frames).slice(1, g * width, (g + 1) * width);
      const double mean = part.mean().item<double>();
      const double variance = (part - mean).square().mean().item<double>();
      out.slice(0, b * frames, (b + 1) * frames)
          .slice(1, g * width, (g + 1) * width)
          .copy_((part - mean) / std::sqrt(variance + eps));
    }
  }
  out = out * weight.to(at::kCPU, at::kDouble).view({1, channels, 1, 1}) +
        bias.to(at::kCPU, at::kDouble).view({1, channels, 1, 1});
  return silu ? out * out.sigmoid() : out;
}

struct Shape {
  int64_t batch, frames, channels, height, width, groups;
};

class GroupNorm : public testing::TestWithParam<Shape> {
 protected:
  at::Tensor make(at::IntArrayRef sizes) {
    return at::randn(sizes).to(test::test_device(), test::test_precision());
  }
};

// Every value equals the definition: with and without SiLU and shift, at odd sizes, channels-last
// or not.
TEST_P(GroupNorm, EqualsTheDefinition) {
  const auto& s = GetParam();
  const auto x = make({s.batch * s.frames, s.channels, s.height, s.width}) * 2 + 1;
  const auto weight = make({s.channels});
  const auto bias = make({s.channels});
  const auto shift = make({s.batch, s.channels});
  const auto limit = test::tolerance({.max_abs = 2e-5, .rel_l2 = 2e-6}, 1e-2);
  for (const bool silu : {false, true}) {
    for (const bool shifted : {false, true}) {
      const auto given = shifted ? std::optional(shift) : std::nullopt;
      const auto expected = gold(x, given, weight, bias, s.groups, s.frames, 1e-5, silu);
      const auto planar = group_norm(x, given, weight, bias, s.groups, s.frames, 1e-5, silu);
      EXPECT_TRUE(close(planar, expected, limit)) << silu << shifted;
      EXPECT_TRUE(planar.is_contiguous(at::MemoryFormat::ChannelsLast));
      const auto last = group_norm(x.contiguous(at::MemoryFormat::ChannelsLast), given, weight,
                                   bias, s.groups, s.frames, 1e-5, silu);
      EXPECT_TRUE(last.equal(planar)) << "the memory format changes the result";
    }
  }
}

// In x's own memory the result is the same to the bit.
TEST_P(GroupNorm, InPlaceIsTheSame) {
  const at::NoGradGuard no_grad;
  const auto& s = GetParam();
  const auto x = (make({s.batch * s.frames, s.channels, s.height, s.width}) * 2 + 1)
                     .contiguous(at::MemoryFormat::ChannelsLast);
  const auto weight = make({s.channels});
  const auto bias = make({s.channels});
  const std::optional<at::Tensor> shifts[] = {std::nullopt, make({s.batch, s.channels})};
  for (const bool silu : {false, true}) {
    for (const auto& shift : shifts) {
      auto y = x.clone();
      const auto* memory = y.const_data_ptr();
      const auto& result = group_norm_(y, shift, weight, bias, s.groups, s.frames, 1e-5, silu);
      EXPECT_EQ(result.const_data_ptr(), memory);
      EXPECT_TRUE(y.equal(group_norm(x, shift, weight, bias, s.groups, s.frames, 1e-5, silu)))
          << silu << shift.has_value();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, GroupNorm,
                         testing::Values(Shape{1, 1, 32, 8, 8, 32}, Shape{2, 16, 64, 4, 4, 16},
                                         Shape{2, 3, 96, 5, 7, 32}, Shape{1, 1, 320, 1, 1, 32},
                                         Shape{1, 5, 20, 33, 31, 4}, Shape{3, 1, 6, 2, 9, 1},
                                         Shape{1, 2, 1280, 8, 8, 32},
                                         Shape{1, 1, 128, 67, 64, 32}));

// A group of two nearly equal values far from zero keeps its digits: the variance is not a
// difference of large squares.
TEST(GroupNormDigits, NearlyEqualValuesKeepTheirDigits) {
  if (test::test_precision() != at::kFloat) GTEST_SKIP() << "float32 only";
  auto x = at::randn({24, 64, 1, 1}) * 1e-3 + 3;
  x = x.to(test::test_device());
  const auto one = at::ones_like(x[0].flatten());
  const auto expected = gold(x, {}, one, one, 32, 1, 1e-6, false);
  EXPECT_TRUE(close(group_norm(x, {}, one, one, 32, 1, 1e-6, false), expected, {.max_abs = 1e-5}));
}

// Values with a large common offset lose nothing to it over a long sum.
TEST(GroupNormDigits, AnOffsetIsTakenOutBeforeSquaring) {
  if (test::test_precision() != at::kFloat) GTEST_SKIP() << "float32 only";
  const auto x = (at::randn({4, 32, 40, 40}) + 1000).to(test::test_device());
  const auto one = at::ones_like(x[0].select(1, 0).select(1, 0));
  const auto expected = gold(x, {}, one, one, 8, 4, 1e-5, false);
  EXPECT_TRUE(close(group_norm(x, {}, one, one, 8, 4, 1e-5, false), expected, {.max_abs = 2e-4}));
}

// The number of threads does not change a bit.
TEST(GroupNormDeterminism, ThreadsDoNotChangeTheResult) {
  const auto x = at::randn({4, 64, 48, 48});
  const auto one = at::ones_like(x[0].select(1, 0).select(1, 0));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = group_norm(x, {}, one, one, 32, 2, 1e-5, true);
  at::set_num_threads(2);
  const auto together = group_norm(x, {}, one, one, 32, 2, 1e-5, true);
  at::set_num_threads(threads);
  EXPECT_TRUE(alone.equal(together));
}

// Gradients of x, shift, weight and bias are those of the definition: with and without SiLU, from
// gradients of any layout.
TEST_P(GroupNorm, GradientsAreTheDefinitions) {
  const auto& s = GetParam();
  const auto made = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(test::test_device()); };
  const at::Tensor given[] = {made({s.batch * s.frames, s.channels, s.height, s.width}) * 2 + 1,
                              made({s.batch, s.channels}), made({s.channels}), made({s.channels})};
  const auto gradient = made(given[0].sizes());
  for (const bool silu : {false, true}) {
    const auto gradients = [&](const auto& network, at::ScalarType type) {
      std::vector<at::Tensor> inputs;
      for (const auto& t : given) inputs.push_back(t.to(type).detach().clone().requires_grad_());
      network(inputs[0], inputs[1], inputs[2], inputs[3], s.groups, s.frames, 1e-5, silu)
          .backward(gradient.to(type));
      for (auto& t : inputs) t = t.grad();
      return inputs;
    };
    const auto ours = gradients(group_norm, at::kFloat);
    const auto expected = gradients(group_norm_composite, at::kDouble);
    for (size_t i = 0; i < ours.size(); ++i) {
      // Of a group of one channel a shift leaves nothing.
      const bool nothing = i == 1 && s.groups == s.channels;
      const test::Tolerance limit = nothing ? test::Tolerance{.max_abs = 1e-5}
                                            : test::Tolerance{.max_abs = 2e-3, .rel_l2 = 2e-5};
      EXPECT_TRUE(close(ours[i], expected[i], limit)) << i << silu;
    }
  }
}

// Where nothing is shifted, nothing asks for a shift's gradient; a second derivative is refused.
TEST(GroupNormGradient, WithoutAShift) {
  const auto x = at::randn({4, 8, 3, 3}).requires_grad_();
  const auto weight = at::randn({8}), bias = at::randn({8});
  const auto y = group_norm(x, {}, weight, bias, 4, 2, 1e-5, true);
  y.square().sum().backward({}, /*retain_graph=*/true);
  EXPECT_GT(x.grad().abs().sum().item<float>(), 0);
  EXPECT_THROW(y.square().sum().backward({}, std::nullopt, /*create_graph=*/true), c10::Error);
}

// In place nothing can be differentiated and nothing be laid out anew: x is refused as it was.
TEST(GroupNorm_Negative, InPlaceRefusesGradientsAndOtherLayouts) {
  const auto weight = at::randn({8}), bias = at::randn({8});
  auto planar = at::randn({2, 8, 3, 4});
  const auto before = planar.clone();
  EXPECT_THROW(group_norm_(planar, {}, weight, bias, 4, 1, 1e-5, false), c10::Error);
  auto last = planar.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_THROW(group_norm_(last, {}, weight.clone().requires_grad_(), bias, 4, 1, 1e-5, false),
               c10::Error);
  EXPECT_TRUE(planar.equal(before));
  EXPECT_TRUE(last.equal(before));
}

// An empty tensor comes back empty.
TEST(GroupNorm_Negative, EmptyStaysEmpty) {
  const auto one = at::ones_like(at::randn({8}));
  EXPECT_EQ(group_norm(at::randn({2, 8, 0, 4}), {}, one, one, 4, 1, 1e-5, false).numel(), 0);
}

// Arguments that do not fit are refused, never read past.
TEST(GroupNorm_Negative, RefusesWhatDoesNotFit) {
  const auto x = at::randn({4, 8, 3, 3});
  const auto w = at::randn({8});
  const auto call = [&](const at::Tensor& in, std::optional<at::Tensor> shift,
                        const at::Tensor& weight, int64_t groups, int64_t frames) {
    return group_norm(in, shift, weight, w, groups, frames, 1e-5, false);
  };
  EXPECT_THROW(call(x[0], {}, w, 4, 1), c10::Error);
  EXPECT_THROW(call(x, {}, at::randn({7}), 4, 1), c10::Error);
  EXPECT_THROW(call(x, {}, w.to(at::kDouble), 4, 1), c10::Error);
  EXPECT_THROW(call(x, {}, w, 3, 1), c10::Error);
  EXPECT_THROW(call(x, {}, w, 0, 1), c10::Error);
  EXPECT_THROW(call(x, {}, w, 4, 3), c10::Error);
  EXPECT_THROW(call(x, {}, w, 4, 0), c10::Error);
  EXPECT_THROW(call(x, at::randn({4, 8}), w, 4, 2), c10::Error);
  EXPECT_THROW(call(x.to(at::kInt), {}, w, 4, 1), c10::Error);
}

}  // namespace
}  // namespace latentsync::kernels
